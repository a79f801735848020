"""What the base model is trained on: made-up documents with questions, real text, and what writers of this project wrote."""
