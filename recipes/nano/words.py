"""Random values for programmatic documents: names, codes, dates, amounts, phrases.

Most names are invented from syllables, so that a reader cannot know them and has to copy. Every maker takes the
`random.Random` of its sample and nothing else: the same seed gives the same document on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable

Maker = Callable[[random.Random], str]

ONSETS = (
    "b c d f g h j k l m n p r s t v w z br cr dr fl gl gr kl kr pl pr sh sk sl sn sp st str th tr ch cl qu wh".split()
)
VOWELS = "a e i o u a e i o ai au ea ee ie io oa oo ou y".split()
CODAS = "b d g k l m n p r s t x ck ld lm lt mp nd ng nk nt rd rk rm rn rt sh sk ss st th".split() + [""] * 24
FIRST = (
    "Ada Ahmed Aisha Alan Alice Amara Amir Ana Andrea Anna Anton Arjun Ben Bianca Boris Bruno Carla Carlos Chen Chloe "
    "Clara Daniel Daria David Diego Elena Elif Emil Emma Erik Esther Eva Farah Felix Fiona Frank George Grace Hana "
    "Hannah Hassan Helen Hugo Ibrahim Ida Igor Ines Ingrid Isaac Ivan Jack James Jan Jana Jin John Jonas Joseph Julia "
    "Karim Karl Kate Kenji Laila Lars Laura Leo Li Lina Linda Louis Lucia Luis Maria Marco Maria Mark Martha Mary Maya "
    "Mei Michael Mina Mohamed Nadia Nina Noah Nora Olga Oliver Omar Oscar Pablo Paul Pedro Peter Petra Priya Rachel Raj "
    "Rosa Ruth Sam Samir Sara Sofia Stefan Susan Tariq Theo Thomas Tom Uma Vera Victor Wei William Yan Yuki Zoe"
).split()
LAST = (
    "Abbott Adams Ahmed Allen Andersen Baker Becker Bell Bennett Berg Brown Campbell Carter Castro Chen Clark Cohen "
    "Cooper Costa Cruz Davies Diaz Dubois Evans Fischer Fisher Ford Foster Garcia Gomez Gray Green Gupta Hall Hansen "
    "Harris Hill Hoffman Holm Hughes Ito Jackson Jansen Johnson Jones Kaya Keller Kelly Khan Kim King Klein Kumar Lee "
    "Lewis Lopez Martin Meyer Miller Moore Morris Murphy Nguyen Novak Olsen Ortiz Park Patel Perez Petrov Phillips Popov "
    "Reed Reyes Rivera Roberts Rossi Santos Sato Schmidt Scott Shah Silva Singh Smith Sousa Stone Tanaka Taylor Thomas "
    "Tran Turner Vargas Walker Wang Ward Watson Weber White Wilson Wood Wright Yilmaz Young Zhang Ziegler"
).split()
CITIES = (
    "Amsterdam,Athens,Austin,Bangkok,Barcelona,Berlin,Bogota,Boston,Brussels,Budapest,Cairo,Cape Town,Chicago,Copenhagen,"
    "Dakar,Delhi,Denver,Dublin,Geneva,Hamburg,Hanoi,Helsinki,Istanbul,Jakarta,Kyoto,Lagos,Leeds,Lima,Lisbon,London,Lyon,"
    "Madrid,Manila,Melbourne,Mexico City,Milan,Montreal,Mumbai,Munich,Nairobi,Naples,New York,Osaka,Oslo,Ottawa,Paris,"
    "Porto,Prague,Quito,Riga,Rome,San Diego,Santiago,Seattle,Seoul,Singapore,Sofia,Stockholm,Sydney,Tallinn,Tokyo,"
    "Toronto,Turin,Utrecht,Vienna,Warsaw,York,Zurich"
).split(",")
COUNTRIES = (
    "Argentina,Australia,Austria,Belgium,Brazil,Canada,Chile,China,Colombia,Denmark,Egypt,Estonia,Finland,France,Germany,"
    "Ghana,Greece,Hungary,Iceland,India,Indonesia,Ireland,Italy,Japan,Kenya,Latvia,Malaysia,Mexico,Morocco,Nepal,"
    "New Zealand,Nigeria,Norway,Peru,Poland,Portugal,Romania,Senegal,Singapore,South Korea,Spain,Sweden,Switzerland,"
    "Thailand,Turkey,Uganda,Ukraine,United Kingdom,United States,Uruguay,Vietnam"
).split(",")
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
COLOURS = (
    "red,blue,green,yellow,orange,purple,black,white,grey,silver,brown,pink,navy blue,dark green,light blue,turquoise,"
    "beige,crimson,gold,violet,olive,maroon,teal,cream,charcoal"
).split(",")
MATERIALS = (
    "steel,aluminium,oak,bamboo,glass,cotton,wool,leather,ceramic,copper,recycled plastic,carbon fibre,brass,granite,"
    "linen,rubber,titanium,birch plywood,stainless steel,cork,silk,concrete"
).split(",")
NOUNS = (
    "anchor apple arrow atlas aurora badger basin beacon bear birch bison blossom bridge brook canyon castle cedar cliff "
    "cloud clover comet compass copper coral cove crane creek crystal delta desert dolphin dragon dune eagle echo ember "
    "falcon fern field finch flame forest forge fox garden gate glacier granite grove harbor hawk hazel heron hill "
    "horizon island ivy jade jasper kestrel lagoon lake lantern larch laurel lion lotus lynx maple marble meadow mesa "
    "mill mirror moon moss mountain nova oak ocean olive onyx orbit orchid otter owl palm panther pearl pebble pine "
    "pioneer planet prairie quartz quill rain raven reef ridge river robin rose sable saffron sage sail salmon shadow "
    "shore silver sky snow sparrow spring spruce star stone storm stream summit sun swan thistle thunder tiger timber "
    "tower trail tulip valley violet walnut wave willow wind winter wolf wren zephyr"
).split()
ADJECTIVES = (
    "amber ancient arctic autumn blue bold brave bright bronze calm clear cobalt cold crimson deep distant dry early east "
    "eastern fair fast first free fresh gentle golden grand great green grey happy hidden high hollow honest icy inner "
    "iron keen kind last light little lone long lost loud lower lucky mellow merry misty modern new noble north northern "
    "old open outer pale polar proud pure quick quiet rapid rare red rich royal rustic sacred scarlet secret sharp shy "
    "silent simple slow small smart smooth soft solid south southern steady still strong sunny swift tall twin upper "
    "urban vast vivid warm west western white wide wild wise young"
).split()
FOODS = (
    "lentil soup,rye bread,apple cake,fish stew,mushroom risotto,bean salad,onion tart,potato curry,rice noodles,"
    "tomato soup,almond cookies,chicken pie,pumpkin ravioli,spinach omelette,black tea,green salad,honey toast,"
    "lemon pudding,pea soup,plum jam,roast carrots,sesame tofu,vegetable lasagne,walnut bread,yoghurt with berries"
).split(",")
ROLES = (
    "accountant,analyst,architect,auditor,biologist,carpenter,chemist,chief engineer,controller,data scientist,designer,"
    "developer,director,driver,editor,electrician,engineer,gardener,head of sales,inspector,lawyer,librarian,manager,"
    "mechanic,nurse,office manager,operator,photographer,pilot,planner,product manager,project lead,receptionist,"
    "researcher,secretary,security officer,site manager,supervisor,surveyor,teacher,team lead,technician,trainer,"
    "translator,treasurer,warehouse clerk,welder,writer"
).split(",")
FIELDS = (
    "acoustics,archaeology,astronomy,biology,botany,chemistry,climate science,computer science,dentistry,ecology,"
    "economics,education,electronics,finance,food safety,geology,history,law,linguistics,logistics,marketing,mathematics,"
    "medicine,metallurgy,music,nursing,philosophy,physics,psychology,robotics,sociology,statistics,urban planning,zoology"
).split(",")
GOODS = (
    "bicycle parts,board games,cameras,ceramic tiles,coffee machines,cooking oil,dental tools,desk lamps,door locks,"
    "electric motors,fishing nets,furniture,garden tools,glass bottles,gloves,headphones,ice cream,kitchen knives,"
    "medical software,mirrors,musical instruments,office chairs,packaging,paint,paper,pet food,pumps,rain jackets,"
    "running shoes,satellite parts,shampoo,ship engines,soap,solar panels,tents,toys,tractors,umbrellas,water filters,"
    "wind turbines,wooden doors"
).split(",")
REASONS = (
    "a broken cable,a burst pipe,a data entry mistake,a delayed shipment,a failed backup,a faulty sensor,a fire drill,"
    "a lack of staff,a leaking valve,a lost key,a missing signature,a network outage,a power cut,a software update,"
    "a storm,a strike,a wrong address,an expired certificate,bad weather,heavy snow,high costs,low demand,road works,"
    "a worn bearing,overheating,a configuration error,a full disk,the renovation of the building"
).split(",")
STATES = (
    "active,approved,archived,awaiting review,blocked,cancelled,closed,completed,delayed,draft,expired,in progress,"
    "in testing,on hold,open,out of stock,paid,pending,planned,postponed,rejected,resolved,retired,shipped,suspended"
).split(",")
DUTIES = (
    "answering customer calls,checking invoices,cleaning the workshop,counting the stock,drafting contracts,"
    "editing the newsletter,fixing the printers,leading the safety course,managing the budget,ordering supplies,"
    "organising the summer party,planning the shifts,preparing the annual report,repairing machines,reviewing code,"
    "running the warehouse,testing new products,training new staff,translating manuals,updating the website,"
    "welcoming visitors,writing the minutes"
).split(",")
HOBBIES = (
    "baking,birdwatching,boxing,chess,climbing,cycling,dancing,diving,drawing,fishing,gardening,hiking,judo,juggling,"
    "kayaking,knitting,painting,photography,pottery,reading,rowing,running,sailing,singing,skating,skiing,surfing,"
    "swimming,table tennis,tennis,woodworking,yoga"
).split(",")

def invented(rng: random.Random, least: int = 2, most: int = 3) -> str:
    """An invented lower-case word such as "strelba"."""
    parts = [rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.randint(least, most))]
    return "".join(parts) + rng.choice(CODAS)


def name_word(rng: random.Random) -> str:
    """A capitalised invented word, a common noun or an adjective: the stuff of proper names."""
    roll = rng.random()
    word = invented(rng) if roll < 0.6 else rng.choice(NOUNS) if roll < 0.85 else rng.choice(ADJECTIVES)
    return word.capitalize()


def person(rng: random.Random) -> str:
    """A person's name; first and last names common or invented, some with a title or initial."""
    first = rng.choice(FIRST) if rng.random() < 0.6 else invented(rng, 1, 2).capitalize()
    last = rng.choice(LAST) if rng.random() < 0.5 else invented(rng, 2, 3).capitalize()
    roll = rng.random()
    if roll < 0.06:
        return f"Dr. {last}" if rng.random() < 0.5 else f"{rng.choice(('Mr.', 'Ms.', 'Prof.'))} {last}"
    if roll < 0.12:
        return f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    return f"{first} {last}"


def city(rng: random.Random) -> str:
    """A real or invented town."""
    if rng.random() < 0.5:
        return rng.choice(CITIES)
    tail = rng.choice(("", "", "", "ton", "ville", "burg", "ford", "mouth", " Bay", " Springs", " Falls", " Heights"))
    return invented(rng, 1, 2).capitalize() + tail


def year(rng: random.Random) -> str:
    """A year between 1700 and 2029."""
    return str(rng.randint(1900, 2029) if rng.random() < 0.75 else rng.randint(1700, 1899))


def date(rng: random.Random) -> str:
    """A date in one of five notations."""
    d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2029)
    month = MONTHS[m - 1]
    return rng.choice(
        (f"{d} {month} {y}", f"{month} {d}, {y}", f"{y}-{m:02d}-{d:02d}", f"{d:02d}/{m:02d}/{y}", f"{month} {d}", f"{d} {month}")
    )


def clock(rng: random.Random) -> str:
    """A time of day."""
    h, m = rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, rng.randint(0, 59)))
    twelve = f"{(h - 1) % 12 + 1}" + (f":{m:02d}" if m or rng.random() < 0.5 else "")
    return rng.choice((f"{h:02d}:{m:02d}", f"{twelve} {'am' if h < 12 else 'pm'}", f"{twelve} {'a.m.' if h < 12 else 'p.m.'}"))


def number(rng: random.Random) -> str:
    """A plain count, with or without thousands separators."""
    n = rng.randint(2, 10 ** rng.randint(1, 6))
    return f"{n:,}" if rng.random() < 0.6 else str(n)


def money(rng: random.Random) -> str:
    """An amount of money in several currencies and notations."""
    n = rng.randint(1, 10 ** rng.randint(1, 5))
    amount = f"{n:,}" + (f".{rng.randint(0, 99):02d}" if rng.random() < 0.35 else "")
    roll = rng.random()
    if roll < 0.75:
        return rng.choice("$$$€€£") + amount
    if roll < 0.85:
        return f"{rng.choice('$€£')}{rng.randint(1, 99)}{rng.choice(('.5', ''))} {rng.choice(('million', 'billion'))}"
    return f"{amount} {rng.choice(('euros', 'dollars', 'EUR', 'USD', 'CHF', 'yen', 'kroner', 'pounds'))}"


def code(rng: random.Random) -> str:
    """An identifier: part number, ticket key, room, licence plate, error code."""
    def up(k: int) -> str:
        return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(k))

    def dig(k: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(k))

    return rng.choice(
        (
            lambda: f"{up(2)}-{dig(4)}",
            lambda: f"{up(3)}-{dig(3)}",
            lambda: f"{up(1)}{dig(3)}",
            lambda: f"{up(2)}{dig(5)}",
            lambda: dig(6),
            lambda: f"{dig(3)}-{dig(3)}-{dig(4)}",
            lambda: f"{up(3)}-{dig(2)}-{up(1)}",
            lambda: f"#{dig(4)}",
            lambda: f"{up(4)}_{dig(2)}",
            lambda: f"{invented(rng, 1, 2)}{dig(2)}",
            lambda: "".join(rng.choice("0123456789abcdef") for _ in range(8)),
        )
    )()


def version(rng: random.Random) -> str:
    """A software version."""
    v = f"{rng.randint(0, 12)}.{rng.randint(0, 20)}" + (f".{rng.randint(0, 30)}" if rng.random() < 0.6 else "")
    return ("v" if rng.random() < 0.3 else "") + v


def email(rng: random.Random) -> str:
    """An e-mail address or a web address on a reserved example domain."""
    host = f"{invented(rng, 1, 2)}.{rng.choice(('com', 'org', 'net', 'example', 'io', 'eu'))}"
    user = rng.choice((invented(rng, 1, 2), rng.choice(FIRST).lower(), rng.choice(("info", "help", "sales", "office"))))
    return f"{user}@{host}"


def duration(rng: random.Random) -> str:
    """A length of time."""
    unit = rng.choice(("days", "weeks", "months", "hours", "minutes", "years", "business days", "working days", "seconds"))
    return f"{rng.randint(2, 90)} {unit}"


def measure(rng: random.Random) -> str:
    """A quantity with a unit."""
    unit = rng.choice(
        ("kg", "g", "km", "m", "cm", "mm", "litres", "tonnes", "metres", "kilometres", "square metres", "kW", "watts", "volts",
         "GB", "MB", "miles", "feet", "pounds", "°C", "hectares", "rpm", "bar", "km/h", "ml")
    )
    n = rng.randint(1, 10 ** rng.randint(1, 4))
    amount = f"{n:,}" if rng.random() < 0.7 else f"{n}.{rng.randint(1, 9)}"
    return f"{amount} {unit}"


def percent(rng: random.Random) -> str:
    """A percentage."""
    n = f"{rng.randint(1, 99)}" + (f".{rng.randint(1, 9)}" if rng.random() < 0.3 else "")
    return n + rng.choice(("%", "%", "%", " percent", " per cent"))


def venue(rng: random.Random) -> str:
    """A room, building or street address."""
    return rng.choice(
        (
            f"room {rng.randint(1, 499)}",
            f"Room {rng.choice('ABCDEF')}{rng.randint(1, 40)}",
            f"the {name_word(rng)} building",
            f"{name_word(rng)} Hall",
            f"hall {rng.randint(1, 12)}",
            f"{rng.randint(1, 250)} {name_word(rng)} {rng.choice(('Street', 'Road', 'Avenue', 'Lane'))}",
            f"the {rng.choice(('second', 'third', 'fourth', 'ground', 'top'))} floor",
            f"the {name_word(rng)} {rng.choice(('Centre', 'Library', 'Theatre', 'Museum', 'Arena', 'Hotel'))}",
        )
    )


def organisation(rng: random.Random) -> str:
    """A company, institute or team name."""
    w = name_word(rng)
    return rng.choice(
        (
            f"{w} {rng.choice(('Ltd', 'Inc', 'GmbH', 'Group', 'Labs', 'Systems', 'Foods', 'Energy', 'Bank', 'Logistics', 'Works'))}",
            f"{w} {name_word(rng)} {rng.choice(('Ltd', 'Inc', 'Group', 'Partners', 'Trust', 'Society'))}",
            f"University of {city(rng)}",
            f"{w} & {rng.choice(LAST)}",
            f"{rng.choice(LAST)} {rng.choice(('Brothers', 'Foundation', 'Industries', 'Institute', 'Consulting'))}",
            w,
        )
    )


def product(rng: random.Random) -> str:
    """A product or project name."""
    w = name_word(rng)
    return rng.choice((w, f"{w} {rng.randint(2, 9)}00", f"{w} {rng.choice(('Pro', 'Mini', 'Plus', 'X', 'One', 'Lite', 'Air'))}",
                       f"{w} {name_word(rng)}", f"{w}-{rng.randint(1, 99)}", f"{rng.choice('ABCDEKMSTX')}{rng.randint(10, 999)} {w}"))


def title(rng: random.Random) -> str:
    """A title of a book, plan or course."""
    a, n = rng.choice(ADJECTIVES).capitalize(), rng.choice(NOUNS).capitalize()
    return rng.choice((f"The {a} {n}", f"{n} and {rng.choice(NOUNS).capitalize()}", f"The {n} of {name_word(rng)}", f"{a} {n}",
                       f"Introduction to {rng.choice(FIELDS)}", f"A History of {name_word(rng)}"))


def phrase(rng: random.Random) -> str:
    """A free phrase of two to five words, some invented: values that follow no pattern."""
    head = rng.choice(ADJECTIVES) if rng.random() < 0.6 else invented(rng)
    body = f"{head} {rng.choice(NOUNS)}"
    roll = rng.random()
    if roll < 0.3:
        return f"{body} {rng.choice(('of', 'with', 'and', 'for', 'near'))} {rng.choice(NOUNS) if rng.random() < 0.6 else invented(rng)}"
    return body if roll < 0.8 else f"{body} {rng.choice(NOUNS)}"


def pick(options: list[str]) -> Maker:
    """Return a maker that draws from a list."""
    return lambda rng: rng.choice(options)


MAKERS: dict[str, Maker] = {
    "person": person, "city": city, "year": year, "date": date, "clock": clock, "number": number, "money": money, "code": code,
    "version": version, "email": email, "duration": duration, "measure": measure, "percent": percent, "venue": venue,
    "organisation": organisation, "product": product, "title": title, "phrase": phrase, "invented": invented,
    "country": pick(COUNTRIES), "day": pick(DAYS), "month": pick(MONTHS), "colour": pick(COLOURS), "material": pick(MATERIALS),
    "food": pick(FOODS), "role": pick(ROLES), "field": pick(FIELDS), "goods": pick(GOODS), "reason": pick(REASONS),
    "state": pick(STATES), "duty": pick(DUTIES), "hobby": pick(HOBBIES),
}  # fmt: skip
