"""Latin words of Hindi and Urdu social posts, in Devanagari as they are said there. Data, no behaviour.

They are English words that India and Pakistan pronounce differently from the dictionary, brands and places
that no dictionary has, and the commonest words of romanised Hindi.
"""

_ENGLISH = """
hotel होटल hotels होटल्स wifi वाईफ़ाई rooms रूम्स luxury लग्ज़री luxurious लग्ज़ूरियस deluxe डीलक्स
resort रिज़ॉर्ट resorts रिज़ॉर्ट्स lunch लंच brunch ब्रंच restaurant रेस्टोरेंट restaurants रेस्टोरेंट्स
lounge लाउंज fitness फ़िटनेस checkin चेक-इन checkout चेक-आउट offers ऑफ़र्स discount डिस्काउंट deals डील्स
limited लिमिटेड today टुडे tomorrow टुमॉरो weekend वीकेंड holiday हॉलिडे holidays हॉलिडेज़
staycation स्टेकेशन tour टूर tours टूर्स event इवेंट events इवेंट्स birthday बर्थडे anniversary ऐनिवर्सरी
live लाइव new न्यू year ईयर diwali दिवाली holi होली eid ईद ramadan रमज़ान ramzan रमज़ान women's विमेंस
womens विमेंस kids किड्स couples कपल्स friends फ़्रेंड्स contact कॉन्टैक्ट visit विज़िट website वेबसाइट
bio बायो share शेयर comment कमेंट story स्टोरी stories स्टोरीज़ reels रील्स video वीडियो videos वीडियोज़
instagram इंस्टाग्राम insta इंस्टा facebook फ़ेसबुक youtube यूट्यूब whatsapp व्हाट्सऐप twitter ट्विटर
tiktok टिकटॉक linkedin लिंक्डइन snapchat स्नैपचैट telegram टेलीग्राम uber ऊबर careem करीम zomato ज़ोमैटो
swiggy स्विगी paytm पेटीएम upi यूपीआई gpay जीपे phonepe फ़ोनपे tripadvisor ट्रिपऐडवाइज़र airbnb एयरबीएनबी
makemytrip मेकमाइट्रिप oyo ओयो jazzcash जैज़कैश easypaisa ईज़ीपैसा foodpanda फ़ूडपांडा marriott मैरियट
hilton हिल्टन taj ताज oberoi ओबेरॉय hyatt हयात radisson रैडिसन novotel नोवोटेल sheraton शेरेटन ritz रिट्ज़
carlton कार्लटन serena सेरेना avari अवारी leela लीला itc आईटीसी mumbai मुंबई delhi दिल्ली jaipur जयपुर
udaipur उदयपुर jodhpur जोधपुर agra आगरा goa गोवा kerala केरल kashmir कश्मीर shimla शिमला manali मनाली
kolkata कोलकाता chennai चेन्नई bengaluru बेंगलुरु pune पुणे hyderabad हैदराबाद lucknow लखनऊ varanasi वाराणसी
rishikesh ऋषिकेश india इंडिया pakistan पाकिस्तान dubai दुबई london लंदन paris पेरिस karachi कराची
lahore लाहौर islamabad इस्लामाबाद rawalpindi रावलपिंडी peshawar पेशावर murree मरी hunza हुंज़ा
skardu स्कर्दू swat स्वात multan मुल्तान punjab पंजाब city सिटी mountain माउंटेन airport एयरपोर्ट
cafes कैफ़ेज़ service सर्विस services सर्विसेज़ staff स्टाफ़ manager मैनेजर reception रिसेप्शन
housekeeping हाउसकीपिंग tv टीवी ac एसी dj डीजे vip वीआईपी digital डिजिटल online ऑनलाइन offline ऑफ़लाइन
payment पेमेंट payments पेमेंट्स voucher वाउचर vouchers वाउचर्स coupon कूपन rewards रिवॉर्ड्स points पॉइंट्स
premium प्रीमियम platinum प्लैटिनम business बिज़नेस conference कॉन्फ़्रेंस banquet बैंक्वेट
corporate कॉर्पोरेट sunset सनसेट sunrise सनराइज़ adventure ऐडवेंचर sauna सॉना wellness वेलनेस
vegetarian वेजिटेरियन veg वेज pizza पिज़्ज़ा pasta पास्ता biryani बिरयानी kebab कबाब kebabs कबाब्स
thali थाली paneer पनीर tikka टिक्का masala मसाला naan नान karahi कड़ाही nihari निहारी signature सिग्नेचर
classic क्लासिक royal रॉयल palace पैलेस heritage हेरिटेज the द and ऐंड for फ़ॉर with विद of ऑफ़ your योर
our आवर exclusive एक्सक्लूसिव ultimate अल्टीमेट perfect परफ़ेक्ट experience एक्सपीरियंस enjoy एंजॉय
discover डिस्कवर relax रिलैक्स romantic रोमैंटिक candlelight कैंडललाइट person पर्सन hours आवर्स hour आवर
daily डेली monday मंडे sunday संडे january जनवरी february फ़रवरी december दिसंबर number नंबर address ऐड्रेस
minute मिनट minutes मिनट्स booking बुकिंग bookings बुकिंग्स now नाउ out आउट check-in चेक-इन
check-out चेक-आउट post पोस्ट posts पोस्ट्स selfie सेल्फ़ी link लिंक tag टैग follow फ़ॉलो followers फ़ॉलोअर्स
giveaway गिवअवे contest कॉन्टेस्ट winner विनर app ऐप apps ऐप्स email ईमेल mobile मोबाइल internet इंटरनेट
laptop लैपटॉप computer कंप्यूटर camera कैमरा hospital हॉस्पिटल doctor डॉक्टर college कॉलेज school स्कूल
university यूनिवर्सिटी office ऑफ़िस company कंपनी market मार्केट mall मॉल cinema सिनेमा film फ़िल्म
cricket क्रिकेट match मैच team टीम police पुलिस train ट्रेन ticket टिकट tickets टिकट्स bus बस
passport पासपोर्ट visa वीज़ा tea टी coffee कॉफ़ी cake केक ice आइस cream क्रीम chocolate चॉकलेट pool पूल
gym जिम spa स्पा menu मेन्यू chef शेफ़ bar बार special स्पेशल festival फ़ेस्टिवल festive फ़ेस्टिव
season सीज़न summer समर winter विंटर monsoon मॉनसून ok ओके okay ओके hello हैलो hi हाय hey हे bye बाय
sorry सॉरी thanks थैंक्स wow वाउ please प्लीज़ welcome वेलकम love लव best बेस्ट top टॉप super सुपर mega मेगा
sale सेल free फ़्री off ऑफ़ on ऑन in इन at ऐट to टू by बाय from फ़्रॉम is इज़ are आर we वी you यू it इट
this दिस that दैट all ऑल a अ an ऐन or ऑर no नो not नॉट yes यस my माय me मी com कॉम org ऑर्ग net नेट
www डब्ल्यू-डब्ल्यू-डब्ल्यू http एचटीटीपी https एचटीटीपीएस pk पीके uk यूके us अस ai एआई id आईडी pdf पीडीएफ़
sms एसएमएस gst जीएसटी atm एटीएम otp ओटीपी qr क्यूआर bbq बारबेक्यू usa यूएसए uae यूएई dinner डिनर
buffet बुफ़े breakfast ब्रेकफ़ास्ट family फ़ैमिली party पार्टी music म्यूज़िक travel ट्रैवल view व्यू
views व्यूज़ beach बीच suite स्वीट suites स्वीट्स garden गार्डन rooftop रूफ़टॉप swimming स्विमिंग
parking पार्किंग gmail जीमेल hotmail हॉटमेल outlook आउटलुक yahoo याहू google गूगल wikipedia विकिपीडिया
irctc आईआरसीटीसी rbi आरबीआई sbi एसबीआई hdfc एचडीएफ़सी icici आईसीआईसीआई gov गॉव edu ई-डी-यू nic एन-आई-सी
amazon अमेज़न flipkart फ़्लिपकार्ट
netflix नेटफ़्लिक्स spotify स्पॉटिफ़ाई microsoft माइक्रोसॉफ़्ट apple ऐपल samsung सैमसंग zoom ज़ूम
chatgpt चैटजीपीटी openai ओपनएआई
ip आई-पी phd पी-एच-डी cfa सी-एफ़-ए co को github गिटहब daraz दराज़ nadra नादरा
users यूज़र्स downloads डाउनलोड्स desktop डेस्कटॉप download डाउनलोड upload अपलोड
html एचटीएमएल php पीएचपी jpg जे-पी-जी jpeg जे-पेग png पी-एन-जी xlsx एक्स-एल-एस-एक्स docx डॉक-एक्स csv सी-एस-वी
iphone आईफ़ोन ipad आईपैड android ऐंड्रॉयड bluetooth ब्लूटूथ usb यूएसबी
emi ईएमआई pm पीएम cm सीएम ceo सीईओ ipl आईपीएल bjp बीजेपी upsc यूपीएससी covid कोविड
"""
_ROMANISED = """
aap आप aapka आपका aapke आपके aapki आपकी aapko आपको hum हम hamara हमारा hamare हमारे hamari हमारी
humare हमारे mein में main मैं mai मैं me मी hai है hain हैं ho हो hoga होगा hogi होगी tha था thi थी the द
ka का ki की ke के ko को se से par पर pe पे aur और ya या nahi नहीं nahin नहीं kya क्या kyun क्यों kaise कैसे
kahan कहाँ kab कब kaun कौन yeh ये ye ये woh वो wo वो yahan यहाँ wahan वहाँ ab अब abhi अभी aaj आज kal कल
bahut बहुत bohot बहुत accha अच्छा acha अच्छा achha अच्छा theek ठीक sab सब kuch कुछ bhi भी hi ही to तो toh तो
jo जो jab जब tak तक liye लिए saath साथ sath साथ baad बाद pehle पहले karo करो karein करें kare करे karna करना
kiya किया dekho देखो dekhiye देखिए aao आओ aaiye आइए jao जाओ chalo चलो dil दिल pyar प्यार pyaar प्यार
dost दोस्त doston दोस्तों bhai भाई behen बहन maa माँ papa पापा ji जी namaste नमस्ते namaskar नमस्कार
swagat स्वागत shukriya शुक्रिया dhanyavad धन्यवाद dhanyawad धन्यवाद mubarak मुबारक shubh शुभ
shubhkamnayein शुभकामनाएँ hardik हार्दिक jai जय hind हिंद desi देसी khana खाना chai चाय pani पानी ghar घर
shaadi शादी shadi शादी mehndi मेहंदी sangeet संगीत puja पूजा raat रात din दिन subah सुबह shaam शाम
zindagi ज़िंदगी khushi ख़ुशी salam सलाम assalam अस्सलाम walaikum वालैकुम alaikum अलैकुम inshallah इंशाअल्लाह
mashallah माशाअल्लाह alhamdulillah अल्हम्दुलिल्लाह allah अल्लाह khuda ख़ुदा hafiz हाफ़िज़ janab जनाब
sahab साहब begum बेगम yaar यार waah वाह wah वाह navratri नवरात्रि dussehra दशहरा rakhi राखी raksha रक्षा
bandhan बंधन ganesh गणेश lakshmi लक्ष्मी bollywood बॉलीवुड sharma शर्मा kapoor कपूर khan ख़ान ali अली
ahmed अहमद fatima फ़ातिमा priya प्रिया rahul राहुल singh सिंह kumar कुमार
"""


def _table(*texts: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for text in reversed(texts):
        pairs = text.split()
        words.update(zip(pairs[::2], pairs[1::2], strict=True))
    return words


ENGLISH_WORDS = frozenset(_table(_ENGLISH))
WORDS = {word: said.replace("-", " ") for word, said in _table(_ENGLISH, _ROMANISED).items()}
"""Devanagari by Latin word in lower case; for spellings of both English and romanised Hindi, English wins."""
