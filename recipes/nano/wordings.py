"""General wordings, composed: thousands of ways to state any attribute and to ask for it.

A reader that had met only fourteen general questions answered 73 % of first tokens right in those and 34 % in wordings
it had not met (LOG.md). A lead, a core and a tail are drawn apart, so that no two questions look alike. The training
split only: the test wordings in `relations.py` are none of these.
"""

from __future__ import annotations

import random

SAID_LEADS = (
    *[""] * 14,
    "As of today, ",
    "According to the records, ",
    "Officially, ",
    "Since last year, ",
    "In the latest report, ",
    "At the moment, ",
    "For the record: ",
    "Note: ",
    "We confirmed that ",
    "It is known that ",
    "The team wrote that ",
    "As agreed, ",
    "Unless stated otherwise, ",
    "By the way, ",
)
SAID_CORES = (
    "the {n} of {e} is {v}",
    "{e} has {v} as its {n}",
    "{e}'s {n} is {v}",
    "the {n} for {e} stands at {v}",
    "{v} was chosen as the {n} of {e}",
    "{e} keeps {v} as {n}",
    "{e} comes with the {n} {v}",
    "the {n} given for {e} is {v}",
    "{e} works with {v} as {n}",
    "{v} is listed as {n} for {e}",
    "the {n} that belongs to {e} is {v}",
    "{e} now uses the {n} {v}",
    "with {e}, the {n} is {v}",
    "{e} reports {v} as {n}",
    "{n} and {e} go together as {v}",
    "whoever asks about {e} and its {n} is told {v}",
    "for {e} we noted {v} under {n}",
    "the files give {v} as {e}'s {n}",
    "{e} goes by {v} when it comes to {n}",
    "as far as {n} is concerned, {e} has {v}",
    "{e} was given {v} for its {n}",
    "{n} of {e}: {v}",
    "one may rely on {v} as the {n} of {e}",
    "{e} and the {n} {v} belong together",
)
SAID_TAILS = (
    "",
    "",
    "",
    "",
    ", as before",
    ", and this will not change",
    " this year",
    " at present",
    " for now",
    " (see annex)",
)
ASK_LEADS = (
    *[""] * 24,
    "please, ",
    "hi, ",
    "hello. ",
    "quick one: ",
    "for my report: ",
    "just to be sure: ",
    "a customer asks: ",
    "my colleague wants to know: ",
    "can you help? ",
    "one thing: ",
    "sorry, ",
    "I have read the files, but ",
    "next: ",
    "tell me, ",
)
ASK_CORES = (
    "what is the {n} of {e}",
    "which {n} does {e} have",
    "what {n} is given for {e}",
    "what does it say about the {n} of {e}",
    "the {n} of {e}",
    "{e}, {n}",
    "{n} for {e}",
    "{e} {n}",
    "{n} {e}",
    "find the {n} of {e}",
    "name the {n} of {e}",
    "show the {n} for {e}",
    "check {e}: what is its {n}",
    "with regard to {e}, what is the {n}",
    "regarding {e}: {n}",
    "is there a {n} for {e}",
    "I forgot the {n} of {e}",
    "remind me of {e}'s {n}",
    "someone asked for the {n} of {e}",
    "we need {e}'s {n}",
    "what was the {n} of {e} again",
    "for {e}, what is the {n}",
    "take {e} and give me its {n}",
    "when you see {e}, which {n} is listed",
    "{e} has which {n}",
    "who or what is the {n} that belongs to {e}",
    "what would be the {n} of {e}",
    "let me know the {n} of {e}",
    "read out the {n} of {e}",
    "which {n} goes with {e}",
    "what can you say about {e}'s {n}",
    "report {e}'s {n}",
    "under {e}, which {n} do you find",
    "help me with the {n} of {e}",
    "may I have the {n} of {e}",
    "in the case of {e}, how does the {n} read",
    "if somebody wants the {n} and has {e} in mind, what do we answer",
    "{e} is what I care about, its {n} to be exact",
    "would you check which {n} {e} has",
    "do you happen to know {e}'s {n}",
    "please find out the {n} for {e}",
    "the {n} {e} has, please",
    "I want to see the {n} listed under {e}",
    "I would need the {n} that goes with {e}",
    "search for {e} and tell me the {n}",
    "look at {e}; what about its {n}",
    "give the value of {n} for {e}",
    "quote the {n} of {e}",
    "say what {n} {e} has got",
    "write down {e}'s {n}",
    "could anyone say what the {n} of {e} is",
    "I wonder what {e}'s {n} might be",
    "let us see: {e} and its {n}",
    "our client wants the {n} of {e}",
    "where {e} is concerned, what is the {n}",
    "what {n} is stated for {e}",
    "what {n} was recorded for {e}",
    "what stands next to {n} for {e}",
    "am I right that {e} has a {n}, and which",
    "{e} has a {n}: which one",
    "speaking of {e}, what is its {n}",
    "does {e} have a {n}, and if so, which",
    "get me {e}'s {n}",
    "according to the files, what is {e}'s {n}",
    "what do we know of the {n} of {e}",
    "I cannot remember the {n} of {e}",
    "which value does {e} have as {n}",
    "which {n} applies to {e}",
    "which {n} is {e} tied to",
    "under which {n} is {e} kept",
)
ASK_TAILS = (
    "?",
    "?",
    "?",
    "?",
    "",
    ".",
    ", please.",
    ", thanks",
    "? It is urgent.",
    "? I could not find it.",
    "...",
    "? Short answer.",
)


# Questions that ask by the type of the answer and so share little with the statement.
ASK_TYPED = {
    "money": ("how much is the {n} of {e}", "how much money is the {n} at {e}", "what do we pay as {n} for {e}", "how high is {e}'s {n}",
              "what amount is the {n} of {e}", "what does the {n} for {e} come to", "how many dollars or euros is the {n} of {e}"),
    "person": ("who is the {n} of {e}", "who serves {e} as {n}", "which person acts as {n} at {e}", "who should I ask as {n} of {e}",
               "whose name stands as {n} of {e}", "who is {e}'s {n}", "by whom is the post of {n} held at {e}"),
    "date": ("when is the {n} of {e}", "on what day does {e} have its {n}", "on which date falls the {n} for {e}", "when does {e} have the {n}",
             "what day was set as the {n} of {e}", "until when do I wait for the {n} of {e}", "when was {e}'s {n}"),
    "duration": ("how long is the {n} of {e}", "how long does the {n} last at {e}", "how much time is the {n} for {e}", "for how long runs {e}'s {n}"),
    "percent": ("how high is the {n} of {e}", "what percentage is {e}'s {n}", "how many percent is the {n} at {e}", "how much is {e}'s {n}"),
    "measure": ("how large is the {n} of {e}", "how much is {e}'s {n}", "what figure is measured as {n} for {e}", "how big is the {n} for {e}"),
    "number": ("how many is the {n} of {e}", "what number stands for the {n} of {e}", "how large is the {n} at {e}", "how many are counted as {n} for {e}"),
    "city": ("where is the {n} of {e}", "in which town is {e}'s {n}", "in what city does {e} have its {n}", "where does {e} have its {n}"),
    "venue": ("where is the {n} of {e}", "where do I find the {n} of {e}", "where does {e} have its {n}", "at which place is {e}'s {n}"),
    "organisation": ("which company is the {n} of {e}", "who is {e}'s {n}", "what firm acts as {n} for {e}", "with whom does {e} work as {n}"),
    "clock": ("at what time is the {n} of {e}", "when is the {n} at {e}", "at which hour does {e} have its {n}", "how late is {e}'s {n}"),
    "country": ("in which country is the {n} of {e}", "where is {e}'s {n}"),
    "reason": ("why is there a {n} at {e}", "for what cause was {e} given its {n}"),
    "colour": ("in what colour is {e}'s {n}",), "material": ("of what is {e}'s {n} made",), "state": ("how does {e}'s {n} look",),
    "day": ("on which weekday is {e}'s {n}", "when in the week is the {n} of {e}"),
    "code": ("which number or code is the {n} of {e}", "what do I type as {n} for {e}", "under which {n} do I find {e}"),
    "email": ("where do I write for the {n} of {e}", "to which address goes mail for {e} ({n})"),
}  # fmt: skip
# Words of an attribute that a question may put in other words than the passage.
SYNONYMS = {
    "fee": ("charge", "price"), "price": ("cost", "charge"), "cost": ("price", "expense"), "fine": ("penalty",), "salary": ("pay", "wage"),
    "rent": ("monthly cost", "lease price"), "limit": ("cap", "ceiling"), "refund": ("money back",), "bonus": ("extra pay",), "budget": ("funds", "money set aside"),
    "contact": ("person to ask", "go-to person"), "owner": ("person in charge", "proprietor"), "coordinator": ("organiser",), "supervisor": ("boss",),
    "assistant": ("helper", "aide"), "reviewer": ("checker",), "deputy": ("stand-in", "substitute"), "deadline": ("due date", "last day"),
    "check": ("inspection", "test"), "inspection": ("check",), "meeting": ("get-together", "session"), "key": ("secret",), "period": ("time", "term"),
    "wait": ("waiting time", "delay"), "break": ("pause", "rest"), "duration": ("length", "time"), "leave": ("time off",), "rate": ("percentage",),
    "share": ("portion", "part"), "discount": ("reduction", "rebate"), "margin": ("profit",), "weight": ("mass", "heaviness"), "capacity": ("volume", "room"),
    "count": ("number", "tally"), "quantity": ("amount", "number"), "seats": ("places to sit",), "members": ("people who belong",), "site": ("place", "location"),
    "office": ("bureau",), "depot": ("warehouse", "store"), "destination": ("goal of the trip",), "location": ("place", "whereabouts"), "branch": ("outpost",),
    "supplier": ("vendor", "provider"), "partner": ("ally",), "sponsor": ("backer",), "carrier": ("shipper", "transporter"), "customer": ("client", "buyer"),
    "time": ("hour",), "departure": ("leaving time", "start"), "arrival": ("time of coming in",), "version": ("edition",), "release": ("version",),
    "colour": ("shade", "hue"), "material": ("stuff", "fabric"), "status": ("condition", "state"), "motto": ("saying",), "nickname": ("pet name",),
    "topic": ("subject",), "tool": ("instrument",), "device": ("gadget",), "dish": ("food", "plate"), "meal": ("food",), "brand": ("make",),
    "reason": ("ground", "explanation"), "cause": ("reason",), "problem": ("trouble", "issue"), "room": ("chamber",), "code": ("string",),
    "maximum": ("highest", "top"), "minimum": ("lowest", "smallest"), "annual": ("yearly",), "yearly": ("annual",), "monthly": ("per-month",), "weekly": ("per-week",),
    "daily": ("per-day", "everyday"), "quarterly": ("three-monthly",), "emergency": ("crisis",), "initial": ("first", "starting"), "final": ("last", "closing"),
    "first": ("initial",), "previous": ("former", "earlier"), "old": ("former",), "total": ("overall", "entire"), "main": ("chief", "principal"),
    "primary": ("main", "chief"), "basic": ("simple", "plain"), "regular": ("usual", "normal"), "standard": ("normal", "usual"), "spare": ("extra", "reserve"),
    "reserve": ("backup", "spare"), "backup": ("reserve", "fallback"), "temporary": ("interim", "short-term"), "trial": ("test", "probation"),
    "shipping": ("postage", "dispatch"), "delivery": ("drop-off",), "parking": ("car park",), "holiday": ("vacation",), "local": ("nearby",),
    "public": ("open",), "special": ("extra", "particular"), "safety": ("security",), "storage": ("keeping",), "staff": ("employee", "team"),
    "guest": ("visitor",), "entry": ("admission",), "opening": ("starting",), "start": ("beginning",), "target": ("desired", "planned"), "planned": ("intended",),
    "travel": ("trip", "journey"), "support": ("help",), "service": ("maintenance",), "job": ("work",), "town": ("city", "place"), "manager": ("boss",),
    "phone": ("telephone",), "employer": ("company",), "hobby": ("pastime",), "duty": ("task",), "birth": ("coming into the world",), "number": ("no.",),
    "founder": ("creator",), "address": ("place",), "director": ("head",), "author": ("writer",), "length": ("extent",), "year": ("date",),
}  # fmt: skip
SYNONYM_SHARE = 0.3  # of questions whose attribute has one


def reworded(rng: random.Random, noun: str) -> str:
    """Put one word of an attribute into another where there is one."""
    words = noun.split(" ")
    known = [i for i, w in enumerate(words) if w in SYNONYMS]
    if known:
        i = rng.choice(known)
        words[i] = rng.choice(SYNONYMS[words[i]])
    return " ".join(words)


def composed(
    rng: random.Random, noun: str, value: str, said: int, asked: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return `said` statements and `asked` questions for an attribute of a type of value; {e} and {v} are left open."""
    statements = [
        rng.choice(SAID_LEADS) + rng.choice(SAID_CORES) + rng.choice(SAID_TAILS) + "." for _ in range(said)
    ]
    questions = []
    for _ in range(asked):
        typed = value in ASK_TYPED and rng.random() < 0.4
        core = rng.choice(ASK_TYPED[value] if typed else ASK_CORES)
        label = reworded(rng, noun) if rng.random() < SYNONYM_SHARE else noun
        questions.append((rng.choice(ASK_LEADS) + core + rng.choice(ASK_TAILS)).replace("{n}", label))
    return tuple(s.replace("{n}", noun) for s in statements), tuple(questions)
