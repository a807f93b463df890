"""English as it is read: the kinds of writing that need a rule, each in sentences of our own."""

from collections.abc import Iterator

import pytest

from tts_app.language import front_end

AMERICAN = """-- a letter after a number
Take the lift to suite 9K. => Take the lift to suite nine K.
Gate 14B is closing. => Gate fourteen B is closing.
Your cabin is 7M, deck five. => Your cabin is seven M, deck five.
Locker 3K, please. => Locker three K, please.
We have 12K followers. => We have twelve thousand followers.
Over 3M visitors a year. => Over three million visitors a year.
It has 2.5k reviews. => It has two thousand five hundred reviews.
Row 21F was empty. => Row twenty one F was empty.
Meet at 10B Hill Lane. => Meet at ten B Hill Lane.
Flats 2A-2C are sold. => Flats two A to two C are sold.
A 4K screen and a 5K run. => A four K screen and a five K run.
Bldg 6C is new. => Building six C is new.
It earned $4M in May. => It earned four million dollars in May.
Seat 11K was free. => Seat eleven K was free.
He drew 80k people. => He drew eighty thousand people.
-- letters that end a sentence in quotes, parts after on, powers of ten, lines of a picture
She chose "Plan D." Then we left. => She chose Plan D. Then we left.
(See Appendix C.) Then turn left. => See Appendix C. Then turn left.
It rains on 2/5 of the days. => It rains on two fifths of the days.
We open on 2/5 at noon. => We open on February fifth at noon.
About 6 x 10^4 cells. => About six times ten to the power of four cells.
Watch in 1080p or 720i. => Watch in ten eighty P or seven twenty I.
-- ranges with a letter, inches, kroner, wars
It will cost £4-6m. => It will cost four to six million pounds.
They lost €1.5–2bn. => They lost one point five to two billion euros.
The gap is 9 in, the wire 0.5 in => The gap is nine inches, the wire zero point five inches
He has 2 in the car. => He has two in the car.
It costs kr 250 here. => It costs two hundred fifty kroner here.
Built after WWI, before WW2. => Built after World War one, before World War two.
All rooms have A/C. => All rooms have A C.
-- ratings
I give it 9/10. => I give it nine out of ten.
A solid 4.5/5 stay. => A solid four point five out of five stay.
Cleanliness 5/5, food 4/5. => Cleanliness five out of five, food four out of five.
The view: 11/10! => The view: eleven out of ten!
She scored 18/20. => She scored eighteen out of twenty.
It is rated 92/100. => It is rated ninety two out of one hundred.
Only 3/10 of us swim. => Only three tenths of us swim.
"10/10", said the critic. => ten out of ten, said the critic.
Dinner was (8/10). => Dinner was, eight out of ten.
-- dates with a slash
Arrive by 10/10 at noon. => Arrive by October tenth at noon.
Closed until 05/06. => Closed until May sixth.
Back on 9/10. => Back on September tenth.
We open 12/24. => We open December twenty fourth.
Valid from 03/04/2027. => Valid from March fourth twenty twenty seven.
Due 1/2/2027. => Due January second twenty twenty seven.
-- mixed fractions
Bake for 1 1/2 hours. => Bake for one and a half hours.
Add 3 1/4 cups of flour. => Add three and a quarter cups of flour.
A 2-1/2 inch nail. => A two and a half inch nail.
Walk 2½ miles. => Walk two and a half miles.
Use 1 2/3 cups. => Use one and two thirds cups.
It is 5 3/8 inches thick. => It is five and three eighths inches thick.
Wait ½ hour. => Wait half hour.
Half of 3/4 is 3/8. => Half of three quarters is three eighths.
1/2 price drinks. => half price drinks.
Only 1/3 of rooms. => Only one third of rooms.
-- dashes
Villa 12 — 3 bedrooms. => Villa twelve, three bedrooms.
Dinner – eight courses – is served. => Dinner, eight courses, is served.
Set 4 - $30 a head. => Set four, thirty dollars a head.
Open 9–5 on Mondays. => Open nine to five on Mondays.
Pages 40-48 are blank. => Pages forty to forty eight are blank.
Minus 4: -4 outside. => Minus four: minus four outside.
We won 3-1. => We won three one.
Open daily 8-4. => Open daily eight to four.
Suite 12 - 2 beds. => Suite twelve, two beds.
Rain—then sun. => Rain, then sun.
Floors 3–7 are closed. => Floors three to seven are closed.
Model X-200-B5. => Model X two zero zero B five.
-- clock
Brunch: 11 a.m.-3 p.m. => Brunch: eleven A M to three P M.
Gym 6 a.m. – 10 p.m. daily. => Gym six A M to ten P M daily.
Tea from 3-5pm. => Tea from three to five P M.
Spa 9-11 a.m. only. => Spa nine to eleven A M only.
Happy hour 17:00-19:00. => Happy hour seventeen hundred to nineteen hundred.
Check in at 2 p.m. The desk is open. => Check in at two P M. The desk is open.
It leaves at 07:05. => It leaves at seven oh five.
Meet at 12:30. => Meet at twelve thirty.
Time: 2:15:30. => Time: two hours fifteen minutes and thirty seconds.
Mon-Fri 10-6. => Monday to Friday ten to six.
Sat & Sun till 9pm. => Saturday and Sunday till nine P M.
Mon, Wed and Fri at 7 a.m. => Monday, Wednesday and Friday at seven A M.
Tue–Thu only. => Tuesday to Thursday only.
-- grouped digits
About 48 000 trees. => About forty eight thousand trees.
It seats 1'250 people. => It seats one thousand two hundred fifty people.
It sold 1,234,567. => It sold one million two hundred thirty four thousand five hundred sixty seven.
It cost 12 500,75 €. => It cost twelve thousand five hundred euros and seventy five cents.
A lakh is 1,00,000. => A lakh is one hundred thousand.
Paid 2.450,90 EUR. => Paid two thousand four hundred fifty euros and ninety cents.
Over 7 000 000 views. => Over seven million views.
-- mathematics
Ten cubed is 10³. => Ten cubed is ten cubed.
x² + 1 = 5 => X squared plus one equals five
2^10 = 1024 => two to the power of ten equals one thousand twenty four
√81 = 9 => the square root of eighty one equals nine
∛8 = 2 => the cube root of eight equals two
3 × 4 = 12 => three times four equals twelve
12 ÷ 4 = 3 => twelve divided by four equals three
9 − 4 = 5 => nine minus four equals five
a ≠ b => a is not equal to b
x ≤ 10 and y ≥ 2 => x less than or equal to ten and y greater than or equal to two
±3 points => plus or minus three points
π ≈ 3.14 => pi approximately three point one four
5 < 7 => five less than seven
∞ is large. => infinity is large.
2*6 = 12 => two times six equals twelve
8-3=5 => eight minus three equals five
50‰ of it. => fifty per mille of it.
∠ 45° => forty five degrees
Δ = 4 => delta equals four
-- ranges with a scale
They raised $2-4 million. => They raised two to four million dollars.
Homes at £1.5–2 million. => Homes at one point five to two million pounds.
About €300-400 thousand. => About three hundred to four hundred thousand euros.
A $5-6 billion plan. => A five to six billion dollar plan.
Between $2M-$3M. => Between two million to three million dollars.
Some 2-3 million fans. => Some two to three million fans.
$500k-1M each. => five hundred thousand to one million dollars each.
-- abbreviations
Dr. Lee lives on Pine Dr. now. => Doctor Lee lives on Pine Drive now.
St. Anne's on Church St. => Saint Anne's on Church Street.
Turn left at 5th Ave. => Turn left at fifth Avenue.
Take Oak Rd. to the sea. => Take Oak Road to the sea.
Gen. Park met Lt. Shaw. => General Park met Lieutenant Shaw.
Sen. Ruiz and Gov. Hale spoke. => Senator Ruiz and Governor Hale spoke.
Prof Adams, a.k.a. Doc, is here. => Professor Adams, also known as Doc, is here.
See p. 9, fig. 2 and vol. 3. => See page nine, figure two and volume three.
Read pp. 20-24. => Read pages twenty to twenty four.
It costs $30 pp. => It costs thirty dollars per person.
Est. 1924, by J. Bell. => Established nineteen twenty four, by J Bell.
Smith et al. agree. => Smith and others agree.
Cats, dogs, etc. are fine. => Cats, dogs, et cetera are fine.
Bring fruit, e.g. figs. => Bring fruit, for example figs.
Red vs. blue. => Red versus blue.
Approx. 40 min. away. => Approximately forty minutes away.
Opp. the bank, nr. the park. => Opposite the bank, near the park.
Jones Jr. and Sons Ltd. => Jones Junior and Sons Limited.
Mt. Etna and Ft. Worth. => Mount Etna and Fort Worth.
He was sat by the fire. => He was sat by the fire.
The sun is out. => The sun is out.
We may stay. => We may stay.
In Jan. or Feb. 2027. => In January or February twenty twenty seven.
From Sept. to Nov. => From September to November.
Call ASAP. => Call A S A P.
A Ph.D. in law. => A P H D in law.
-- addresses
482 Maple St, Austin, TX 73301 => four eighty two Maple Street, Austin, Texas seven three three zero one
We are at 19 W Lake Dr. => We are at nineteen West Lake Drive.
See 2204 Ocean Blvd. Parking is free. => See twenty two oh four Ocean Boulevard. Parking is free.
1600 N 5th Ave, Miami, FL => sixteen hundred North fifth Avenue, Miami, Florida
Write to 10 Downing Street, London SW1A 2AA. => Write to ten Downing Street, London S W one A, two A A.
The office: 5 King Rd, Leeds LS1 4AP. => The office: five King Road, Leeds L S one, four A P.
Box 12, Reno, NV 89501-0042 => Box twelve, Reno, Nevada eight nine five zero one, zero zero four two
My zip is 60614. => My zip is six zero six one four.
221B Baker Street => two twenty one B Baker Street
-- phones
Ring 1-800-555-0199. => Ring one, eight hundred, five five five, zero one nine nine.
Call +44 20 7946 0958. => Call plus four four, two zero, seven nine four six, zero nine five eight.
Text (415) 555-0132. => Text four one five, five five five, zero one three two.
Dial 911 for help. => Dial nine one one for help.
Call 1-888-SKY-HIGH. => Call one, eight eight eight, sky high.
Tel. 0800 123 4567. => Telephone one eight hundred, one two three, four five six seven.
Fax: 212-555-0147 => Fax: two one two, five five five, zero one four seven
Phone 555-0188 now. => Phone five five five, zero one eight eight now.
Call me on +1 (650) 555-0111. => Call me on plus one, six five zero, five five five, zero one one one.
2015550123 => two zero one, five five five, zero one two three
-- service numbers and codes
Your code is 4821. => Your code is four eight two one.
The PIN: 0042. => The PIN: zero zero four two.
Card ending in 5531. => Card ending in five five three one.
Flight 1208 to Rome. => Flight one two zero eight to Rome.
Room 1507 is yours. => Room one five zero seven is yours.
Booking AB12CD. => Booking A B twelve C D.
OTP 993201 => O T P nine nine three two zero one
-- ordinals, years and decades
The 2,500th visitor. => The two thousand five hundredth visitor.
Our 21st year. => Our twenty first year.
On the 3rd floor. => On the third floor.
Built in 1872. => Built in eighteen seventy two.
Since 1766, we bake. => Since seventeen sixty six, we bake.
Made circa 1690. => Made circa sixteen ninety.
From 1914-1918. => From nineteen fourteen to nineteen eighteen.
The 2019-20 season. => The twenty nineteen to twenty season.
In the mid-1980s. => In the mid nineteen eighties.
The '70s show. => The seventies show.
Pre-2000 wines. => Pre two thousand wines.
In 2008 and 2015. => In two thousand eight and twenty fifteen.
In 1850 rooms. => In one thousand eight hundred fifty rooms.
We have 1850 rooms. => We have one thousand eight hundred fifty rooms.
A class of '99. => A class of ninety nine.
The late 1800s. => The late eighteen hundreds.
Born 1066. => Born ten sixty six.
In 1900, 1905 and 2000. => In nineteen hundred, nineteen oh five and two thousand.
-- Roman numerals
George VI was here. => George the sixth was here.
Queen Elizabeth II and King Charles III. => Queen Elizabeth the second and King Charles the third.
World War I ended. => World War one ended.
Read Chapter XII. => Read Chapter twelve.
Act IV, Scene II. => Act four, Scene two.
The XVIII century. => The eighteenth century.
Louis XIV's bed. => Louis the fourteenth's bed.
Pope Pius IX. => Pope Pius the ninth.
Vitamin C helps. => Vitamin C helps.
Plan D is next. => Plan D is next.
Super Bowl LVIII => Super Bowl fifty eight
Part III of the tale. => Part three of the tale.
An IV line. => An I V line.
MIX the eggs. => mix the eggs.
-- dates
On the 2nd of June. => On the second of June.
The 14th of July is a holiday. => The fourteenth of July is a holiday.
Meet on 3 March 2027. => Meet on the third of March twenty twenty seven.
March 3rd, 2027 is a Wednesday. => March third twenty twenty seven is a Wednesday.
Friday, May 7 at 9. => Friday, May seventh at nine.
june 12 or 12 june => June twelfth or the twelfth of June
Open June 5-9. => Open June fifth to ninth.
From 5–9 June 2027. => From the fifth to the ninth of June twenty twenty seven.
Feb 27 - Mar 2 only. => February twenty seventh to March second only.
Apr-Jun 2027 => April to June twenty twenty seven
2027-03-05 => March fifth twenty twenty seven
31.12.2027 => the thirty first of December twenty twenty seven
July 4th => July fourth
-- money
It is $1,250.75 in all. => It is one thousand two hundred fifty dollars and seventy five cents in all.
Only 75¢ each. => Only seventy five cents each.
From C$80 or A$95. => From eighty Canadian dollars or ninety five Australian dollars.
HK$500 and NZ$20 => five hundred Hong Kong dollars and twenty New Zealand dollars
¥12,000 a night. => twelve thousand yen a night.
₩35,000 for two. => thirty five thousand won for two.
₹2,500 per head. => two thousand five hundred rupees per head.
CHF 120 and SEK 900. => one hundred twenty Swiss francs and nine hundred Swedish kronor.
KWD 2.500 only. => two Kuwaiti dinars and five hundred fils only.
€1.50 or $.75 => one euro and fifty cents or seventy five cents
£0.99 => ninety nine pence
US$40, 30 USD => forty dollars, thirty dollars
A $50 gift card. => A fifty dollar gift card.
A £5 note. => A five pound note.
$3.5 billion deal => three point five billion dollars deal
R$60 tours => sixty Brazilian reais tours
50 PLN => fifty Polish zlotys
TRY 250 => two hundred fifty Turkish Lira
TOP 5 and ALL 9 => top five and all nine
$1 bills => one dollar bills
A 30 million dollar view => A thirty million dollar view
100 BTC => one hundred B T C
20€ or 20 € => twenty euros or twenty euros
5 kr => five kroner
-- units
It weighs 3.2 kg. => It weighs three point two kilograms.
A 12 kW pump. => A twelve kilowatt pump.
Fast: 250 Mbps. => Fast: two hundred fifty megabits per second.
60 MB/s copy => sixty megabytes per second copy
Density 7.8 g/cm³. => Density seven point eight grams per cubic centimeter.
Rain: 12 mm/h. => Rain: twelve millimeters per hour.
Noise of 65 dB. => Noise of sixty five decibels.
Take 500 µg. => Take five hundred micrograms.
250 mcg and 10 mg/dL => two hundred fifty micrograms and ten milligrams per deciliter
At 1013 hPa. => At one thousand thirteen hectopascals.
32 psi => thirty two pounds per square inch
45 m² flat => forty five square meters flat
100 km² of sand => one hundred square kilometers of sand
2 m³ of soil => two cubic meters of soil
A 32" screen. => A thirty two inch screen.
A 5' x 8' rug. => A five by eight foot rug.
He is 5'11" tall. => He is five feet eleven inches tall.
30°C or 86°F => thirty degrees Celsius or eighty six degrees Fahrenheit
-3 °C => minus three degrees Celsius
Turn 90°. => Turn ninety degrees.
1 km and 1 mile => one kilometer and one mile
3 ft. deep => three feet deep
6 oz. of gold => six ounces of gold
5 in. wide => five inches wide
64GB => sixty four gigabytes
3 L of milk => three liters of milk
2 tbsp oil => two tablespoons oil
120 km/h => one hundred twenty kilometers per hour
20 km/h winds => twenty kilometers per hour winds
$4/kg => four dollars per kilogram
3 nmi off => three nautical miles off
10-15 km => ten to fifteen kilometers
5 to 6 lbs => five to six pounds
0.5 l => zero point five liters
2 GHz => two gigahertz
3 x 4 m => three by four meters
a 5-km run => a five kilometer run
800 kJ => eight hundred kilojoules
-- stretched words and faces
WOOOOW, so good! => woooow, so good!
Yesss, pleaseee. => Yesss, pleaseee.
I <3 pizza => I love pizza
Thanks :) => Thanks.
So sad :( => So sad.
Great ;-) see you => Great see you
lol :D ok => lol ok
-- slashes
Tea and/or coffee. => Tea and or coffee.
Open 24/7. => Open twenty four seven.
He/she pays. => He slash she pays.
w/o sugar => without sugar
$30/night => thirty dollars per night
Pick-up/drop-off => Pick up slash drop off
9/11 => nine eleven
24/7/365 => twenty four seven, three sixty five
-- the web
Go to www.sea-view.com. => Go to sea view dot com.
Mail us at stay@sea-view.co.uk. => Mail us at stay at sea view dot co dot U K.
HTTPS://SEA-VIEW.COM/DEALS => sea view dot com slash deals
VISIT WWW.SEA-VIEW.ORG NOW => visit sea view dot org now
#BestBeach2027 => hashtag Best Beach twenty twenty seven
Follow @sea_view => Follow at sea view
See sea-view.com/rooms?x=1. => See sea view dot com slash rooms.
-- sentence ends
We have plan B. Then plan C. => We have plan B. Then plan C.
Take vitamin D. It helps. => Take vitamin D. It helps.
I live in the U.S. The food is good. => I live in the U S. The food is good.
J. K. Moss wrote it. => J K Moss wrote it.
Meet John Q. Public. => Meet John Q Public.
See Section A. The rest is here. => See Section A. The rest is here.
It is 5 p.m. We go. => It is five P M. We go.
Go to gate C. Boarding is on. => Go to gate C. Boarding is on.
He works for NASA. She does not. => He works for NASA. She does not.
-- decimals
It is .75 miles. => It is zero point seven five miles.
Pi is 3.14159. => Pi is three point one four one five nine.
Up 2.50 points. => Up two point five zero points.
0.5 of a mile => zero point five of a mile
Version 2.0.1 => Version two dot zero dot one
A 4.0 average. => A four point zero average.
-0.25 => minus zero point two five
-- marks around, several at once
"Dr. Smith" (St. Paul's) => Doctor Smith, Saint Paul's,
($.50) ".5" => fifty cents, zero point five
Is it 5 p.m.? => Is it five P M?
At 9 a.m. on Mon. we met. => At nine A M on Monday we met.
No. It is not no. 5. => No. It is not number five.
I am in. We go. => I am in. We go.
It fell 5 in. The rest melted. => It fell five inches. The rest melted.
She sat. Sat. is free. => She sat. Saturday is free.
He will march. March 5 is free. => He will march. March fifth is free.
temp. 20°C => temperature twenty degrees Celsius
Section II, Part IV. => Section two, Part four.
King George V. He died. => King George the fifth. He died.
World War I. Then it began. => World War one. Then it began.
Mr T. is here => Mister T is here
vitamin B12, B6 => vitamin B twelve, B six
the No. 1 seed => the number one seed
win 3-2 (2-1) => win three two, two one,
Open 24 hrs, 7 days => Open twenty four hours, seven days
7-9 PM EST => seven to nine P M E S T
10:30 am-12:30 pm => ten thirty A M to twelve thirty P M
$20-30 per person => twenty to thirty dollars per person
20-30% off => twenty to thirty percent off
100+ rooms, 50+ => one hundred plus rooms, fifty plus
R&D, Q&A, B&B => R and D, Q and A, B and B
24-hour, 3-bed, 2nd-floor, 10-year-old => twenty four hour, three bed, second floor, ten year old
Rev. Dr. Martin Luther King Jr. Blvd. => Reverend Doctor Martin Luther King Junior Boulevard.
I-95, US-1, Route 66, Hwy 101 => I ninety five, U S one, Route sixty six, Highway one hundred one
ISBN 978-3-16-148410-0 => I S B N nine seven eight, three, one six, one four eight four one zero, zero
44 BC, 1066 AD => forty four B C, ten sixty six A D
1,200 sq. ft. or 500 sqft => one thousand two hundred square feet or five hundred square feet
1.5 million, 2.3bn, 3.2M => one point five million, two point three billion, three point two million
5 GB/month => five gigabytes per month
BP 120/80, odds 50/50 => B P one hundred twenty over eighty, odds fifty fifty
(12K) "4B" [9/10] 2 1/2 => twelve K, four B, nine out of ten, two and a half
"""
"""`text => words` in en-US, by kind."""

BRITISH = """
Come on 03/04/2027. => Come on the third of April twenty twenty seven.
It is 25 December. => It is the twenty fifth of December.
Open 3-5 May. => Open the third to the fifth of May.
Only 50p each. => Only fifty pence each.
A £5 voucher. => A five pound voucher.
Cost: £1,250.40 => Cost: one thousand two hundred and fifty pounds and forty pence
We want 2,150 metres. => We want two thousand one hundred and fifty metres.
It weighs 1 lb and 3 oz. => It weighs one pound and three ounces.
A 5 km walk. => A five kilometre walk.
Call 0800 111 2222. => Call one eight hundred, one one one, two two two two.
Ring 020 7946 0111. => Ring zero two zero, seven nine four six, zero one one one.
Dial 999 now. => Dial nine nine nine now.
Send to Bath BA2 4QQ. => Send to Bath B A two, four Q Q.
Dr Hill of 14 Elm Cres, Hull => Doctor Hill of fourteen Elm Crescent, Hull
From the 1st of May => From the first of May
Score: 8/10 => Score: eight out of ten
Costs $20 there. => Costs twenty dollars there.
The 5th of June => The fifth of June
Litres: 2.5 L => Litres: two point five litres
On Mar 3 => On the third of March
In 1805 Nelson died. => In eighteen oh five Nelson died.
The 12th-15th of May => The twelfth to the fifteenth of May
"""
"""What en-GB says otherwise, or has of its own."""

AUSTRALIAN = """
Call 1300 555 222. => Call one three hundred, five five five, two two two.
Ring 13 10 50. => Ring thirteen ten fifty.
Ring (02) 5550 1234. => Ring zero two, five five five zero, one two three four.
Mobile 0491 570 006 => Mobile zero four nine one, five seven zero, zero zero six
Dial 000 in need. => Dial zero zero zero in need.
It is $45 or 80c. => It is forty five dollars or eighty cents.
US$30 or A$45 => thirty US dollars or forty five dollars
Perth WA 6000 => Perth W A six zero zero zero
On 26/1 we close. => On the twenty sixth of January we close.
It is 5.4 km away. => It is five point four kilometres away.
A $30 ticket => A thirty dollar ticket
Sydney NSW 2000 => Sydney N S W two zero zero zero
"""
"""What en-AU has of its own."""


def rows() -> Iterator[tuple[str, str, str]]:
    for locale, table in (("en-US", AMERICAN), ("en-GB", BRITISH), ("en-AU", AUSTRALIAN)):
        for row in table.splitlines():
            text, arrow, words = row.partition(" => ")
            if arrow:
                yield locale, text, words


@pytest.mark.parametrize(("locale", "text", "words"), rows())
def test_a_text_is_read(locale: str, text: str, words: str) -> None:
    assert front_end(locale).normalise(text) == words
