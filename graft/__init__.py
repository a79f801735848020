"""GRAFT: Grounded Retrieval And Fine-Tuning.

>>> import graft
>>> project = graft.Project("examples/handbook")
>>> project.build()
>>> project.ask("How much is the meal allowance?").text
>>> project.compare().recommendation.kind
"""

from graft.errors import GraftError
from graft.project import Project
from graft.types import Answer, Chunk, Comparison, Document, Example, Message, Question, Recommendation

__all__ = [
    "Answer",
    "Chunk",
    "Comparison",
    "Document",
    "Example",
    "GraftError",
    "Message",
    "Project",
    "Question",
    "Recommendation",
]
