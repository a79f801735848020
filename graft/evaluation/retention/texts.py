"""The texts of the retention suite: twenty-four short passages about invented places, people and things.

Invented, so that only reading answers the questions: a model that answers without the passage makes it up. General, so that
no project's documents are meant. Two questions a passage, each on another fact, with their accepted answers. Frozen: the
suite's fingerprint changes with every letter, and figures of different suites do not compare.
"""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """A question on a passage, and what counts as its answer."""

    question: str
    answers: tuple[str, ...]


class Text(NamedTuple):
    """A passage with its two questions."""

    title: str
    text: str
    first: Asked
    second: Asked


TEXTS = (
    Text(
        "The Dunmorrow light",
        "The Dunmorrow lighthouse was built in 1846 on a reef of red granite. Its lamp can be seen for nineteen miles, and the "
        "last keeper, Elspeth Crane, left it in 1971.",
        Asked("Who was the last keeper of the Dunmorrow lighthouse?", ("Elspeth Crane", "Crane")),
        Asked("In which year was the Dunmorrow lighthouse built?", ("1846",)),
    ),
    Text(
        "Velling bread",
        "Velling bread is made of rye flour, buttermilk and caraway. The dough rests for fourteen hours and is baked in an oven "
        "heated with birch wood.",
        Asked("For how long does the dough of Velling bread rest?", ("fourteen hours", "14 hours")),
        Asked("Which wood heats the oven for Velling bread?", ("birch", "birch wood")),
    ),
    Text(
        "The marsh heron",
        "The marsh heron of Tarry Fen feeds on small eels. A pair raises three chicks, and the young birds fly when they are "
        "fifty days old.",
        Asked("What does the marsh heron of Tarry Fen feed on?", ("small eels", "eels")),
        Asked("How old are young marsh herons when they fly?", ("fifty days", "50 days")),
    ),
    Text(
        "The Corrin line",
        "The railway from Corrin to Ashdown has eleven stations and one tunnel. It was closed in 1963, and the track is now a "
        "path for walkers.",
        Asked("How many stations does the railway from Corrin to Ashdown have?", ("eleven", "11")),
        Asked("When was the railway from Corrin to Ashdown closed?", ("1963",)),
    ),
    Text(
        "Port Salter market",
        "The fish market of Port Salter opens at five in the morning, every day but Monday. Its bell was cast in Genoa and "
        "weighs two hundred kilograms.",
        Asked("On which day is the fish market of Port Salter closed?", ("Monday",)),
        Asked("Where was the bell of the fish market cast?", ("Genoa",)),
    ),
    Text(
        "Halberd chess",
        "Halberd chess is played on a board of ninety squares. Each side has a halberd in place of a queen, and a game may last "
        "no longer than two hours.",
        Asked("How many squares does the board of halberd chess have?", ("ninety", "90")),
        Asked("Which piece stands in place of the queen in halberd chess?", ("a halberd", "halberd")),
    ),
    Text(
        "Mount Ivers",
        "Mount Ivers is an extinct volcano of 2,318 metres. The first to climb it was the botanist Lena Okafor, who went up "
        "alone in August 1902.",
        Asked("Who was the first to climb Mount Ivers?", ("Lena Okafor", "Okafor")),
        Asked("How high is Mount Ivers?", ("2,318 metres", "2318 metres", "2,318 m")),
    ),
    Text(
        "The glass harp of Brell",
        "The glass harp of Brell has thirty-six cups, tuned with water. It was made by the clockmaker Anton Reuss and is played "
        "once a year, at midsummer.",
        Asked("Who made the glass harp of Brell?", ("Anton Reuss", "Reuss", "the clockmaker Anton Reuss")),
        Asked(
            "When is the glass harp of Brell played?",
            ("at midsummer", "midsummer", "once a year, at midsummer"),
        ),
    ),
    Text(
        "Quillan library",
        "The town library of Quillan lends books for twenty-eight days. Maps cannot be borrowed; they are kept in the reading "
        "room on the second floor.",
        Asked(
            "For how many days does the Quillan library lend books?", ("twenty-eight days", "28 days", "28")
        ),
        Asked(
            "Where are the maps of the Quillan library kept?",
            ("reading room", "in the reading room on the second floor"),
        ),
    ),
    Text(
        "The Ostrey comet",
        "The Ostrey comet returns every seventy-four years. It was last seen in 1998, when its tail looked green because of the "
        "carbon in it.",
        Asked(
            "How often does the Ostrey comet return?",
            ("every seventy-four years", "every 74 years", "74 years"),
        ),
        Asked("What made the tail of the Ostrey comet look green?", ("carbon", "the carbon in it")),
    ),
    Text(
        "Pell's apple",
        "Pell's apple ripens in late October and keeps until April. The tree was found in 1820 in a hedge near Wickford by a "
        "carter named Josiah Pell.",
        Asked("When does Pell's apple ripen?", ("late October", "in late October")),
        Asked("Near which place was the tree of Pell's apple found?", ("Wickford", "near Wickford")),
    ),
    Text(
        "The Saltway marathon",
        "The Saltway marathon starts at the old customs house and ends on the pier. In its first year only sixty-two runners "
        "took part; the winner was a postman.",
        Asked("Where does the Saltway marathon start?", ("the old customs house", "customs house")),
        Asked("How many runners took part in the first Saltway marathon?", ("sixty-two", "62")),
    ),
    Text(
        "Tessel wool",
        "Tessel wool comes from a small grey sheep that is shorn in May. The cloth keeps out rain and is worn by the pilots of "
        "the northern harbours.",
        Asked("In which month is the Tessel sheep shorn?", ("May", "in May")),
        Asked("Who wears cloth of Tessel wool?", ("the pilots of the northern harbours", "pilots")),
    ),
    Text(
        "The bridge at Lorne",
        "The stone bridge at Lorne has seven arches. The flood of 1784 took two of them, and the mason Hugh Tallis rebuilt them "
        "within a year.",
        Asked(
            "Who rebuilt the arches of the bridge at Lorne?",
            ("Hugh Tallis", "Tallis", "the mason Hugh Tallis"),
        ),
        Asked("How many arches does the bridge at Lorne have?", ("seven", "7")),
    ),
    Text(
        "Amber tea",
        "Amber tea is brewed from roasted barley and dried pears. It should stand for six minutes in water that no longer boils, "
        "and is drunk without milk.",
        Asked("For how long should amber tea stand?", ("six minutes", "6 minutes")),
        Asked("Which fruit is in amber tea?", ("dried pears", "pears")),
    ),
    Text(
        "The Merrin archive",
        "The Merrin archive holds four thousand letters of the painter Clara Voss. They were bought at an auction in Lisbon and "
        "may be read on Thursdays.",
        Asked("Whose letters does the Merrin archive hold?", ("Clara Voss", "the painter Clara Voss")),
        Asked("In which city were the letters of the Merrin archive bought?", ("Lisbon",)),
    ),
    Text(
        "Sand skating",
        "Sand skating was invented in Durness by two sail makers. The boards are of ash, and the record over one mile stands at "
        "ninety-seven seconds.",
        Asked("Where was sand skating invented?", ("Durness", "in Durness")),
        Asked("Of which wood are the boards for sand skating?", ("ash",)),
    ),
    Text(
        "The Hollis engine",
        "The Hollis engine runs on vegetable oil and has three cylinders. Forty of them were built, most of them for fishing "
        "boats on Lake Ambry.",
        Asked("How many Hollis engines were built?", ("forty", "40")),
        Asked("What does the Hollis engine run on?", ("vegetable oil",)),
    ),
    Text(
        "Cave of the bells",
        "The cave of the bells was found by a shepherd in 1907. Drops that fall into its lake sound like bells; the water is "
        "eight degrees in every season.",
        Asked("Who found the cave of the bells?", ("a shepherd", "shepherd")),
        Asked("How warm is the water in the cave of the bells?", ("eight degrees", "8 degrees")),
    ),
    Text(
        "The Ferrand prize",
        "The Ferrand prize is given for the best book on rivers. It was founded by the engineer Marie Ferrand and is worth five "
        "thousand crowns.",
        Asked(
            "For which kind of book is the Ferrand prize given?",
            ("the best book on rivers", "books on rivers", "rivers"),
        ),
        Asked(
            "How much is the Ferrand prize worth?", ("five thousand crowns", "5,000 crowns", "5000 crowns")
        ),
    ),
    Text(
        "Night trains of Orvik",
        "The night train from Orvik leaves at 22:40 from platform four. It has two sleeping cars and a kitchen, and reaches the "
        "coast at breakfast time.",
        Asked("When does the night train from Orvik leave?", ("22:40", "at 22:40")),
        Asked("How many sleeping cars does the night train from Orvik have?", ("two", "2")),
    ),
    Text(
        "The paper of Nesle",
        "The paper mill of Nesle works with linen rags only. Its watermark is a swallow, and a single sheet takes three weeks to "
        "dry in the loft.",
        Asked("What is the watermark of the paper of Nesle?", ("a swallow", "swallow")),
        Asked("How long does a sheet of Nesle paper take to dry?", ("three weeks", "3 weeks")),
    ),
    Text(
        "The frogs of Anselm pond",
        "The frogs of Anselm pond sleep from November to March under the roots of alders. A full-grown frog weighs thirty grams "
        "and calls only in the rain.",
        Asked(
            "Under which trees do the frogs of Anselm pond sleep?", ("alders", "under the roots of alders")
        ),
        Asked("How much does a full-grown frog of Anselm pond weigh?", ("thirty grams", "30 grams")),
    ),
    Text(
        "Captain Ruel's map",
        "Captain Ruel drew his map of the Sable Islands in 1733, on sealskin. It shows nine islands, although there are ten; the "
        "smallest was hidden by fog.",
        Asked("On what did Captain Ruel draw his map?", ("sealskin", "on sealskin")),
        Asked("How many islands does Captain Ruel's map show?", ("nine", "9")),
    ),
)
