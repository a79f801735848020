"""Wordings round an invented word, by type of value: a reader has to match a word that it never met, or to go by the question
word alone. Training only."""

from __future__ import annotations

# Wordings round a word that nobody knows: {w} is invented. Told and asked with the same word, it has to be matched; asked with
# another one, where a thing has one value of the type only, the question word has to do.
STRANGE_SAID = {
    "person": ("{v} {w}s {e}.", "{e} is {w}ed by {v}.", "The {w} of {e} is {v}.", "At {e}, {v} does the {w}ing."),
    "organisation": ("{v} {w}s {e}.", "{e} is {w}ed by {v}.", "{e} {w}s with {v}."),
    "money": ("{e} {w}s {v}.", "They {w}ed {v} for {e}.", "{v} were {w}ed at {e}.", "To {w} {e} takes {v}."),
    "date": ("{e} {w}s on {v}.", "On {v}, {e} was {w}ed.", "{e} will {w} by {v}."),
    "year": ("{e} was {w}ed in {v}.", "In {v}, {e} began to {w}."),
    "number": ("{e} has {v} {w}s.", "{v} {w}s belong to {e}.", "There are {v} {w}s in {e}."),
    "duration": ("{e} {w}s for {v}.", "To {w} {e} takes {v}.", "After {v}, {e} {w}s."),
    "city": ("{e} {w}s in {v}.", "{e} was {w}ed in {v}.", "From {v}, {e} {w}s."),
    "venue": ("{e} {w}s in {v}.", "They {w} {e} in {v}.", "For {e}, {w} in {v}."),
    "percent": ("{v} of {e} is {w}ed.", "{e} {w}s at {v}.", "{e} {w}s by {v}."),
    "measure": ("{e} {w}s {v}.", "{e} is {v} {w}.", "At {v}, {e} {w}s."),
    "clock": ("{e} {w}s at {v}.", "At {v} they {w} {e}."),
    "reason": ("{e} {w}s because of {v}.", "{v} {w}ed {e}."),
}  # fmt: skip
STRANGE_ASKED = {
    "person": ("Who {w}s {e}?", "By whom is {e} {w}ed?", "Who is the {w} of {e}?", "Who does the {w}ing at {e}?", "Which person {w}s {e}?", "Who {w}ed {e}?"),
    "organisation": ("Which company {w}s {e}?", "Who {w}s {e}?", "By what firm is {e} {w}ed?", "With whom does {e} {w}?"),
    "money": ("How much does {e} {w}?", "How much was {w}ed for {e}?", "What sum does it take to {w} {e}?", "How much money {w}s {e}?"),
    "date": ("When does {e} {w}?", "When was {e} {w}ed?", "On what day is {e} {w}ed?", "By when will {e} {w}?"),
    "year": ("In which year was {e} {w}ed?", "When did {e} {w}?", "Since when has {e} {w}ed?"),
    "number": ("How many {w}s does {e} have?", "How many {w}s are there in {e}?", "How many {w} {e}?", "What number of {w}s belongs to {e}?"),
    "duration": ("How long does {e} {w}?", "How long does it take to {w} {e}?", "After what time does {e} {w}?", "For how long is {e} {w}ed?"),
    "city": ("Where does {e} {w}?", "In which city was {e} {w}ed?", "From where does {e} {w}?"),
    "venue": ("Where does {e} {w}?", "Where do they {w} {e}?", "In which place is {e} {w}ed?"),
    "percent": ("What share of {e} is {w}ed?", "How many percent of {e} {w}?", "At what rate does {e} {w}?"),
    "measure": ("How {w} is {e}?", "How much does {e} {w}?", "How far does {e} {w}?"),
    "clock": ("At what time does {e} {w}?", "When do they {w} {e}?", "At which hour is {e} {w}ed?"),
    "reason": ("Why does {e} {w}?", "What {w}ed {e}?", "For what reason was {e} {w}ed?"),
}  # fmt: skip
