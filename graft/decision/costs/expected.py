"""What each variant would cost before anything is measured: list prices, and rules of thumb for tokens and work.

The figures are those of the worked check in docs/decision.md. Knows a situation and prices; a measured bill (verbs/bills)
replaces it.
"""

from __future__ import annotations

from graft.decision.advising import priors
from graft.decision.advising.situation import PER_MONTH, Situation
from graft.decision.costs.cost import (
    FixedCost,
    PriceTable,
    cost_per_query,
    hosting_floor,
    required_price,
    training_cost,
)
from graft.decision.costs.ownership import Bill
from graft.types import Usage

VARIANTS = ("base", "rag", "tuned", "hybrid")
LABEL_MINUTES = 5.0
TRIES = 3
# Of the worked check in the reference figures: a closed-book prompt, one with five passages, an answer; and one tuning
# run of 2,000 examples of 600 tokens, three epochs. A page is 500 words, about 650 tokens.
CLOSED, GROUNDED, ANSWER = 150, 1_650, 150
TRAINING_TOKENS, EPOCHS = 1_200_000, 3
PAGE_TOKENS = 650
RENEWED = 0.1  # share of the examples that is written anew each time somebody goes over them


def on_own_machines(s: Situation) -> bool:
    """Whether no hosted model may answer."""
    return bool(s.on_premise) or s.model == "own"


def expected_bills(s: Situation, prices: PriceTable) -> dict[str, Bill]:
    """Return the bill of each variant: base and rag on a hosted model (or all on an own machine), tuned and hybrid on an
    own GPU."""
    gpu = 0.0 if s.gpu else hosting_floor(prices.machines["h100"].amount)
    run = training_cost(TRAINING_TOKENS, EPOCHS, prices.training["fireworks-lora-16b"].amount)
    embedding = prices.models["text-embedding-3-small"].input
    index = (s.pages or 0) * PAGE_TOKENS * embedding / 1e6
    missing = max(0, priors.wanted_examples(s) - (s.examples or 0))
    renewals = PER_MONTH[s.relabel or "never"]
    renewed = RENEWED * priors.wanted_examples(s) * LABEL_MINUTES / 60 * (s.wage or 0.0)
    again = {"examples again": renewals * renewed, "training again": renewals * run}
    price = None if on_own_machines(s) else required_price(s.model or "", prices)
    bills = {}
    for name in VARIANTS:
        searches, tunes = name in ("rag", "hybrid"), name in ("tuned", "hybrid")
        hosted = price is not None and not tunes
        monthly = {"hosting": 0.0 if hosted else gpu}
        monthly |= {"indexing again": PER_MONTH[s.change or "never"] * index} if searches else {}
        monthly |= again if tunes else {}
        prompt = GROUNDED if searches else CLOSED
        bills[name] = Bill(
            FixedCost(
                training=run if tunes else 0.0,
                runs=TRIES,
                labels=missing if tunes else 0,
                minutes=LABEL_MINUTES,
                wage=s.wage or 0.0,
                index=index if searches else 0.0,
            ),
            monthly,
            cost_per_query(Usage(prompt, ANSWER), price) if price is not None and hosted else 0.0,
        )
    return bills
