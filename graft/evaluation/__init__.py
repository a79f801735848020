"""Evaluation: Questions × an Answerer → Runs → metric values, one number (or a null with its reason) a question.

questions, question_record   the held-out file, checked
run                          every question put to one system; resumable; latency timed apart
metrics                      the catalogue, and `score`
metrics_answers, metrics_evidence, metrics_usage   the metrics with their cards
cards                        what a metric is
correctness, longform, groundedness, citations, relevance, retrieval_metrics, recital   what they rest on
judge_rubrics, judge, judge_rows, judge_metrics   a judge's verdicts: asked, voted, kept, and as metrics of their own
labels_draw, labels, labels_scores   what people say of a drawn sample of answers
text, figures, abstention    reading what an answer says
"""
