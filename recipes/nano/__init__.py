"""The recipe of GRAFT's shipped base model: data, tokenizer, training, evaluation, model card. See README.md."""
