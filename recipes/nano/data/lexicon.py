# ruff: noqa: SIM905  (word lists are read and edited as text, not as lists of quoted strings)
"""Word lists behind the random values of programmatic documents."""

ONSETS = "b c d f g h j k l m n p r s t v w z br cr dr fl gl gr kl kr pl pr sh sk sl sn sp st str th tr ch cl qu wh".split()
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
TOPICS = (
    "annual leave,bike leasing,business cards,business travel,child care support,client dinners,company cars,conference "
    "tickets,data exports,desk equipment,external hardware,first aid training,flexible hours,gym membership,guest passes,"
    "home office furniture,hotel bookings,job tickets,key cards,language courses,laptop replacement,meeting rooms,mobile "
    "phones,moving expenses,night shifts,online courses,overtime,parental leave,parking permits,part-time work,password "
    "resets,private use of tools,remote work,rental cars,safety shoes,security badges,sick leave,social events,software "
    "licences,special leave,study leave,taxi rides,team outings,train tickets,unpaid leave,vendor contracts,visitor "
    "access,volunteer days,work abroad,work clothes"
).split(",")
