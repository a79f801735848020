# ruff: noqa: SIM905  (word lists are read as text)
"""Values that are phrases rather than names: things, causes, purposes, occasions, groups, diseases, deeds.

Composed of word lists with some invented words, so that most of them are new each time. `words.MAKERS` holds the makers
of names, numbers and dates; `MAKERS` here adds to them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from recipes.nano.data import lexicon, words

Maker = Callable[[random.Random], str]

CONVEYANCES = "train,coach,bicycle,horse,steamboat,night bus,taxi,sledge,canoe,motorbike,aeroplane,tram,lorry,balloon,mule,river barge,camper van,helicopter".split(
    ","
)
ANIMALS = (
    "dog,cat,donkey,parrot,goat,tortoise,falcon,hedgehog,pony,rabbit,llama,goose,otter,camel,ferret,snake,lizard,sheep,"
    "peacock,mule,toad,beaver,crane,badger,squirrel,monkey,pelican,buffalo,antelope,salamander"
).split(",")
ILLNESSES = "measles,malaria,asthma,pneumonia,a broken ankle,food poisoning,migraine,a chest infection,high blood pressure,scarlet fever,an ear infection,hay fever,gout,anaemia,a snake bite,frostbite,kidney stones,a bad back".split(
    ","
)
STRUCTURES = "bridge,dam,town hall,chapel,water tower,grain store,railway station,theatre,market hall,school,hospital wing,city wall,canal,windmill,tunnel,library,prison,stadium".split(
    ","
)
DEVICES = "pump,printer,lift,boiler,coffee machine,loom,crane,scanner,tractor,clock,compressor,dishwasher,generator,projector,saw,freezer,oven,lathe,camera,sewing machine,drone,hearing aid,water filter,parking meter".split(
    ","
)
OBJECTS = (
    "ring,watch,vase,violin,carpet,lamp,painting,diary,sword,necklace,chess set,teapot,bicycle,map,mirror,coat,statue,stamp,"
    "guitar,desk,telescope,basket,knife,blanket,mask,umbrella,clock,book of poems,box of letters,pair of boots,bottle of wine"
).split(",")
FINDS = "a Roman coin,a new comet,the grave of a king,a gold nugget,a lost manuscript,a cave full of bones,a sunken boat,an unknown moss,a mineral spring,a stone axe,the ruins of a temple,a rare beetle,a buried treasure,an old well,a fossil fish,a mosaic floor".split(
    ","
)
INSTRUMENTS = "violin,harp,piano,flute,cello,trumpet,organ,guitar,clarinet,accordion,oboe,drum,lute,horn,banjo,saxophone".split(
    ","
)
TOOLS = "magnet,drone,metal detector,map,microscope,shovel,rope,torch,compass,telescope,sonar,notebook,ladder,camera".split(
    ","
)
OFFICES = "mayor,president,treasurer,senator,governor,sheriff,chair of the council,party leader,school inspector,district judge,speaker,consul".split(
    ","
)
OCCASIONS = "a birthday,the wedding,passing the exam,Christmas,the tenth anniversary,the retirement,a promotion,the house-warming,the birth of a son,graduation,the summer feast,Mother's Day,many years of service,the jubilee".split(
    ","
)
GROUPS = (
    "the coast guard,the fire brigade,the police,a team of divers,the night watch,mountain guides,the Red Cross,two hunters,local fishermen,soldiers,"
    "a group of students,the neighbours,staff with children,new employees,part-time workers,trainees,people over sixty,drivers,shift workers,team leaders,"
    "visitors from abroad,members of the union,temporary staff,managers,volunteers,teachers,nurses,apprentices,customers with a card,residents"
).split(",")
CROPS = "wheat,barley,potatoes,apples,olives,rye,maize,grapes,hops,onions,cabbage,rice,cotton,tea,beans,pears,sunflowers,oats,carrots,plums".split(
    ","
)
DEGREES = "doctorate,bachelor's degree,master's degree,diploma,teaching certificate,law degree,medical degree".split(
    ","
)
WEATHER = "a hurricane,a flood,an earthquake,a hailstorm,a tornado,a blizzard,a landslide,a heat wave,a forest fire,a thunderstorm,a cyclone,a storm tide,an avalanche,a drought".split(
    ","
)
FAULTS = (
    "a cracked lid,a broken belt,a loose wire,a worn gear,water in the motor,a blown fuse,a jammed roller,a missing screw,dust in the filter,a leaking seal,"
    "a flat battery,a bent axle,a torn cable,a scratched lens,rust on the hinge,a dead pixel,a wrong plug,a faulty switch,a burnt coil,a blocked valve"
).split(",")
CHARGES = "fraud,libel,breach of contract,unpaid rent,patent theft,negligence,water pollution,unfair dismissal,false advertising,forgery,trespass,copyright violation,price fixing,bribery,tax evasion".split(
    ","
)
LANGUAGES = "Finnish,Welsh,Latin,Swahili,Turkish,Portuguese,Hindi,Korean,Dutch,Basque,Greek,Icelandic,Arabic,Polish,Czech,Irish,Japanese,Hungarian,Catalan,Russian,Hebrew,Danish".split(
    ","
)
FREQUENCIES = (
    "every day,twice a week,once a month,every two weeks,every other day,each Sunday,three times a year,once an hour,every morning,on weekdays,every quarter,"
    "twice a year,every night,once a week,every ten minutes,on Mondays and Thursdays,every spring,four times a day,each winter,every half hour"
).split(",")
BODIES = "parliament,the city council,the senate,the ministry of health,the board,the assembly,the works council,the faculty,the cabinet,the trade commission,the regional court,the housing committee".split(
    ","
)
MATTERS = (
    "fishing rights,noise at night,the price of bread,school fees,the opening of the border,the new timetable,dogs in parks,smoking,the water supply,fireworks,child labour,"
    "late payment,the merger,the roof repairs,working hours,street lighting,the annual budget,waste sorting,night flights,wolf hunting,the coal trade,rent control,"
    "the harvest,data protection,land reform,the lost parcel,the broken lift,overtime pay,tolls,the seating plan,plastic bags,the strike,the guest list,the history of salt"
).split(",")
PLACES = "the {w} glacier,the {w} desert,Mount {w},the island of {w},the {w} gorge,Lake {w},the {w} marshes,the source of the {w},the {w} cliffs,Cape {w},the {w} forest,the {w} caves,the ruins of {w},the {w} waterfall".split(
    ","
)
VERBS = (
    "visit,repair,protect,count,warn,teach,find,meet,photograph,sell,feed,paint,measure,clean,save,guide,study,help,heal,transport,sort,dry,cut,cool,heat,weigh,collect,load,wash,record"
).split(",")
TARGETS = (
    "an old aunt,the sick,wild horses,young birds,fruit,corn,heavy stones,the stars,the roof,small children,old letters,wet clothes,milk,the harvest,rare plants,a buyer,the books of a dead friend,"
    "sailors,bees,the blind,iron rods,lost luggage,rain water,tourists,the archive,wool,the night sky,glass,the bridge,timber"
).split(",")
DEEDS = "{ing} {target},a study of {noun}s,a novel about {target},the rescue of {target},work on {matter},thirty years of {ing} {target},a series of paintings of {noun}s,the design of a {device},research into {illness}".split(
    ","
)


def _pick(values: list[str]) -> Maker:
    return lambda rng: rng.choice(values)


def _ing(verb: str) -> str:
    if verb == "cut":
        return verb + verb[-1] + "ing"
    return (verb.removesuffix("e")) + "ing"


def purpose(rng: random.Random) -> str:
    """An infinitive: "to count rare plants"."""
    return f"to {rng.choice(VERBS)} {rng.choice(TARGETS)}"


def thing(rng: random.Random) -> str:
    """A thing one can own: "a small oak mirror"."""
    middle = rng.choice(
        (
            rng.choice(lexicon.ADJECTIVES),
            rng.choice(lexicon.COLOURS),
            rng.choice(lexicon.MATERIALS),
            words.invented(rng),
            "",
        )
    )
    text = f"{middle} {rng.choice(OBJECTS)}".strip()
    if rng.random() < 0.3:
        return f"the {text}"
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def device(rng: random.Random) -> str:
    """A machine: "the steam pump", "the Wexo printer"."""
    middle = rng.choice(
        (
            rng.choice(lexicon.ADJECTIVES),
            words.invented(rng, 1, 2).capitalize(),
            rng.choice(lexicon.MATERIALS),
            "steam",
            "electric",
            "folding",
            "automatic",
            "portable",
        )
    )
    return f"the {middle} {rng.choice(DEVICES)}"


def structure(rng: random.Random) -> str:
    """A building: "the Maple theatre"."""
    middle = words.name_word(rng) if rng.random() < 0.7 else rng.choice(lexicon.ADJECTIVES)
    return f"the {middle} {rng.choice(STRUCTURES)}"


def illness(rng: random.Random) -> str:
    """A disease, real or invented."""
    if rng.random() < 0.6:
        return rng.choice(ILLNESSES)
    return f"{words.invented(rng).capitalize()} {rng.choice(('fever', 'disease', 'syndrome', 'flu'))}"


def medicine(rng: random.Random) -> str:
    """A drug with an invented name, or a household remedy."""
    if rng.random() < 0.25:
        return rng.choice(
            (
                "willow bark",
                "cod liver oil",
                "salt water",
                "camomile tea",
                "cold baths",
                "an ointment",
                "eye drops",
                "honey and lemon",
                "iron tablets",
                "cough syrup",
            )
        )
    return words.invented(rng, 1, 2) + rng.choice(("in", "ol", "ine", "ax", "ide", "on", "il"))


def find(rng: random.Random) -> str:
    """What somebody may come upon."""
    return rng.choice(FINDS) if rng.random() < 0.5 else thing(rng)


def place(rng: random.Random) -> str:
    """A spot of nature: "the Dovar glacier"."""
    return rng.choice(PLACES).replace("{w}", words.name_word(rng))


def award(rng: random.Random) -> str:
    """A prize."""
    return f"the {words.name_word(rng)} {rng.choice(('Prize', 'Medal', 'Award', 'Cup', 'Order', 'Ribbon'))}"


def deed(rng: random.Random) -> str:
    """What somebody is honoured for."""
    form = rng.choice(DEEDS)
    found = {"ing": _ing(rng.choice(VERBS)), "target": rng.choice(TARGETS), "noun": rng.choice(lexicon.NOUNS),
             "matter": rng.choice(MATTERS), "device": rng.choice(DEVICES), "illness": illness(rng)}  # fmt: skip
    return form.format(**found)


def species(rng: random.Random) -> str:
    """An animal species: "the spotted Dovar crane"."""
    first = rng.choice(
        (
            "spotted",
            "dwarf",
            "horned",
            "crested",
            "striped",
            "giant",
            "common",
            "long-tailed",
            "snow",
            "marsh",
            "desert",
            "river",
        )
    )
    return (
        f"the {first} {rng.choice(ANIMALS)}"
        if rng.random() < 0.6
        else f"the {words.invented(rng)} {rng.choice(ANIMALS)}"
    )


def team(rng: random.Random) -> str:
    """A sports club."""
    tail = rng.choice(
        ("United", "Rovers", "City", "Lions", "Athletic", "Eagles", "Rangers", "Wanderers", "Sharks", "Bears")
    )
    return f"{rng.choice(('FC ', 'SC ', '', '', ''))}{words.city(rng)} {tail}"


def party(rng: random.Random) -> str:
    """A person or a company."""
    return words.person(rng) if rng.random() < 0.5 else words.organisation(rng)


def school(rng: random.Random) -> str:
    """A place of learning."""
    w = words.name_word(rng)
    return rng.choice(
        (
            f"{w} College",
            f"the University of {words.city(rng)}",
            f"the {w} Institute",
            f"{w} Academy",
            f"{words.city(rng)} Grammar School",
        )
    )


def matter(rng: random.Random) -> str:
    """What people talk, quarrel or write about."""
    if rng.random() < 0.65:
        return rng.choice(MATTERS)
    return rng.choice(
        (
            f"the {words.invented(rng)} affair",
            f"the sale of {rng.choice(lexicon.GOODS)}",
            f"the use of {rng.choice(lexicon.MATERIALS)}",
            f"the fate of {rng.choice(TARGETS)}",
            f"the price of {rng.choice(CROPS)}",
        )
    )


def name(rng: random.Random) -> str:
    """The name of a pet."""
    return (
        words.invented(rng, 1, 2).capitalize()
        if rng.random() < 0.6
        else rng.choice(lexicon.NOUNS).capitalize()
    )


MAKERS: dict[str, Maker] = words.MAKERS | {
    "purpose": purpose, "thing": thing, "device": device, "structure": structure, "illness": illness, "medicine": medicine,
    "find": find, "place": place, "award": award, "deed": deed, "species": species, "team": team, "party": party, "school": school,
    "matter": matter, "name": name, "conveyance": _pick(CONVEYANCES), "animal": _pick(ANIMALS), "instrument": _pick(INSTRUMENTS),
    "tool": _pick(TOOLS), "office": _pick(OFFICES), "occasion": _pick(OCCASIONS), "group": _pick(GROUPS), "crop": _pick(CROPS),
    "degree": _pick(DEGREES), "weather": _pick(WEATHER), "fault": _pick(FAULTS), "charge": _pick(CHARGES), "language": _pick(LANGUAGES),
    "frequency": _pick(FREQUENCIES), "body": _pick(BODIES), "vehiclekind": _pick(["lorry", "bus", "motorbike", "taxi", "van", "tractor", "sports car", "milk truck"]),
    "score": lambda rng: f"{rng.randint(1, 6)}{rng.choice('-:')}{rng.randint(0, 5)}", "age": lambda rng: f"{rng.randint(12, 80)} years",
}  # fmt: skip
