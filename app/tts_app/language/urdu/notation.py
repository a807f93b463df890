"""The Urdu words that are looked for beside numbers, and written forms of units. Data, no behaviour."""

from tts_app.language.indic.notation import Notation, listed
from tts_app.language.urdu.words import URDU

MONTH_FORMS = {number: (name,) for number, name in enumerate(URDU.months, 1)}
WEEKDAY_FORMS = {
    **{number: (name,) for number, name in enumerate(URDU.weekdays)},
    0: ("پیر", "سوموار"),
    3: ("جمعرات",),
    5: ("سنیچر",),
}
"""Saturday's own name, ہفتہ, also means a week, and is therefore not listed."""
UNIT_FORMS = {
    "mm": ("ملی میٹر", "ملی‌میٹر"),
    "cm": ("سینٹی میٹر", "سم"),
    "km": ("کلومیٹر", "کلو میٹر"),
    "m2": ("مربع میٹر",),
    "ft2": ("مربع فٹ", "اسکوائر فٹ"),
    "kg": ("کلوگرام", "کلو گرام"),
    "celsius": ("ڈگری سینٹی گریڈ", "ڈگری سیلسیس"),
    "quart": ("qt",),
    "pint": ("pt",),
    "cg": ("cg",),
    "dg": ("dg",),
    "t": ("t",),
    "stone": ("st",),
    "quintal": ("q", "qtl"),
    "mph": ("mi/hr", "mi/h"),
    "kmh": ("km/hr", "کلومیٹر فی گھنٹہ", "کلومیٹر/گھنٹہ"),
}
CENT_FORMS = {"¢": "USD"}
CURRENCY_FORMS = {
    "PKR": ("روپے", "روپیہ", "پاکستانی روپے", "روپئے"),
    "INR": ("بھارتی روپے",),
    "USD": ("ڈالر", "ڈالرز", "امریکی ڈالر"),
    "AED": ("درہم",),
    "EUR": ("یورو",),
    "SAR": ("ریال", "سعودی ریال"),
}
MAGNITUDE_FORMS = {"ہزار": 10**3, "لاکھ": 10**5, "کروڑ": 10**7, "ارب": 10**9, "کھرب": 10**11}
DIGIT_WORDS = listed(
    """
    room | flat | pin | otp | کمرہ | کمرا | کمرے | روم | فلیٹ | پن | گاڑی | ٹرین | پرواز | فلائٹ
    بس | سوئٹ | وارڈ
    """
)
PLACE_WORDS = listed(
    """
    room | flat | seat | gate | block | apartment | unit | suite | plot | کمرہ | کمرا | کمرے | روم
    فلیٹ | سیٹ | گیٹ | بلاک | اپارٹمنٹ | یونٹ | سوئٹ | پلاٹ | مکان | دکان | شاپ | سیکٹر | ٹاور | ونگ
    برتھ | پلیٹ | نمبر | وارڈ | ہال | کیبن | کاؤنٹر | ٹیبل | بوتھ | لاکر | بلڈنگ | گلی | صفحہ | حصہ
    دفعہ | جماعت | فارم
    """
)
"""Words for places, after which a letter behind a number is that letter: seat 12K."""
UNCOUNTED_WORDS = listed(
    "خالی | تیار | دستیاب | بند | کھلا | کھلی | آپ | میری | میرا | ہماری | ہمارا | بک | والا | والی"
)
"""Words that may follow a number with a letter and are not what it counts: 12K is free."""
DATE_WORDS = ("تاریخ", "بتاریخ", "مورخہ")
"""Words after which 10/10 is a date."""
OF_WORDS = listed("حصہ | حصے | کپ | چمچ | کلو | لیٹر | میٹر | گھنٹہ | گھنٹے | انچ | میل | ایکڑ | کنال")
"""Words before which 3/5 is a fraction and no mark."""


URDU_NOTATION = Notation(
    scales={
        **dict.fromkeys(("ہزار", "thousand", "Thousand"), ("ہزار", 10**3)),
        **dict.fromkeys(("لاکھ", "lakh", "lakhs", "Lakh", "Lakhs", "LAKH", "LAKHS"), ("لاکھ", 10**5)),
        **dict.fromkeys(("lac", "lacs", "Lac", "Lacs"), ("لاکھ", 10**5)),
        **dict.fromkeys(("کروڑ", "crore", "crores", "Crore", "Crores", "CRORE"), ("کروڑ", 10**7)),
        **dict.fromkeys(("cr", "Cr", "CR", "crs", "Crs"), ("کروڑ", 10**7)),
        "ارب": ("ارب", 10**9),
        "کھرب": ("کھرب", 10**11),
        **dict.fromkeys(("ملین", "million", "Million", "mn", "Mn"), ("ملین", 10**6)),
        **dict.fromkeys(("بلین", "billion", "Billion", "bn", "Bn"), ("بلین", 10**9)),
        **dict.fromkeys(("ٹریلین", "trillion", "Trillion", "tn"), ("ٹریلین", 10**12)),
    },
    letter_scales={
        **dict.fromkeys(("k", "K"), ("ہزار", 10**3)),
        "L": ("لاکھ", 10**5),
        **dict.fromkeys(("M", "m"), ("ملین", 10**6)),
        **dict.fromkeys(("B", "b"), ("بلین", 10**9)),
    },
    counted=listed(
        """
        گھنٹے | گھنٹہ | گھنٹوں | سال | سالوں | برس | مہینے | مہینہ | ماہ | دن | دنوں | ہفتے | ہفتہ
        منٹ | کلو | کلومیٹر | میٹر | لیٹر | گرام | کلوگرام | ٹن | من | ایکڑ | کنال | مرلہ | مرلے
        فٹ | انچ | گز | میل | کپ | چمچ | چمچے | گلاس | گنا | سو | تولہ | تولے | درجن | بجے
        """
    ),
    codes=listed(
        """
        او ٹی پی | OTP | otp | پن | PIN | پن کوڈ | کوڈ | پاس ورڈ | پاسورڈ | CVV | PNR | اکاؤنٹ نمبر
        کھاتہ نمبر | شناختی کارڈ | شناختی کارڈ نمبر | CNIC | رول نمبر | آخری ہندسے | آخری چار ہندسے
        پوسٹل کوڈ | ڈائل | ہیلپ لائن | dial
        """
    ),
    fillers=("نمبر", "کوڈ", "ہے", "ہیں", "تھا", "number", "no.", "code", "is"),
    number_words=("نمبر", "نمبرز"),
    call_words=listed(
        """
        کال | فون | موبائل | رابطہ | رابطے | واٹس ایپ | واٹس | ہیلپ لائن | ٹیلی فون | ڈائل
        ایس ایم ایس | Call | call | Phone | phone | Mobile | Mob | WhatsApp | Helpline | helpline
        """
    ),
    to_call=r"(?:پر|پہ)[ ](?:کال|فون|رابطہ|ڈائل|میسج|ایس ایم ایس|واٹس|SMS|call|Call|مس)",
    streets=listed(
        """
        اسٹریٹ | سٹریٹ | روڈ | ایونیو | شاہراہ | گلی | نگر | کالونی | سیکٹر | اپارٹمنٹ | اپارٹمنٹس
        فلور | بلاک | منزل | محلہ | ٹاؤن | لین | سوسائٹی | ٹاور | چوک | بازار | Street | Road
        Avenue | Lane | Colony | Sector | Block | Floor
        """
    ),
    places=listed(
        """
        پنجاب | سندھ | بلوچستان | خیبر پختونخوا | گلگت بلتستان | آزاد کشمیر | اسلام آباد | کراچی
        لاہور | فیصل آباد | راولپنڈی | ملتان | گوجرانوالہ | حیدرآباد | پشاور | کوئٹہ | سرگودھا
        سیالکوٹ | بہاولپور | سکھر | لاڑکانہ | شیخوپورہ | جھنگ | رحیم یار خان | گجرات | قصور | مردان
        ساہیوال | اوکاڑہ | ایبٹ آباد | مظفر آباد | میرپور | ڈیرہ غازی خان | ڈیرہ اسماعیل خان
        نواب شاہ | چنیوٹ | جہلم | گلگت | سکردو | گوادر | پاکستان | Karachi | Lahore | Islamabad
        Rawalpindi | Peshawar | Quetta | Multan | Faisalabad
        """
    ),
    postal_digits=5,
    year_before=("سن", "سنہ", "سال", "برس"),
    year_after=("میں", "سے", "کی", "کے", "کا", "تک", "والا", "والی", "والے"),
    date_after=("کو", "تک"),
    short_weekdays={"پیر": 0, "منگل": 1, "بدھ": 2, "جمعرات": 3, "جمعہ": 4, "ہفتہ": 5, "اتوار": 6},
    more_than=("زیادہ", "زائد", "کم", "اوپر", "نیچے", "بڑھ"),
    eras={
        r"ق[ ]?\.?[ ]?م\.?|قبل مسیح|قبل از مسیح|BCE|BC": "قبل مسیح",
        r"ء|عیسوی|CE|AD": "عیسوی",
        r"ھ|ہ|ہجری|AH": "ہجری",
    },
    decades=("کی دہائی", "کے عشرے"),
    titles={"ج.": "جلد"},
    postpositions=("نے", "کو", "سے", "کا", "کے", "کی", "میں", "پر", "تک"),
    rulers=listed(
        """
        لوئی | اکبر | لوئس | ہنری | چارلس | جارج | الزبتھ | ایلزبتھ | ایڈورڈ | ولیم | رامسیس | فلپ | نپولین
        پیٹر | کیتھرین | پال | بینیڈکٹ | فرانسس | لیو | جیمز | رچرڈ | میری | نکولس | الیگزینڈر
        عالم | عالمگیر | ظفر | دارا | زار | ایوان | فیصل | عبداللہ | محمد | محمود | سلیمان | مراد
        سلیم | مارگریٹ | ولہیلم | فریڈرک | لیوپولڈ | عبدالحمید | بایزید | راجہ | رانی | ملکہ | شاہ
        شہنشاہ | بادشاہ | پوپ | سلطان | کنگ | کوئین | نظام | خلیفہ
        """
    ),
    ruler_ordinals={
        **{
            1: "اول",
            2: "دوم",
            3: "سوم",
            4: "چہارم",
            5: "پنجم",
            6: "ششم",
            7: "ہفتم",
            8: "ہشتم",
            9: "نہم",
            10: "دہم",
        },
        **{11: "یازدہم", 12: "دوازدہم", 13: "سیزدہم", 14: "چہاردہم", 15: "پانزدہم", 16: "شانزدہم"},
    },
    parts=listed(
        """
        باب | حصہ | جلد | جماعت | جنگ | مرحلہ | ٹائپ | آرٹیکل | شق | فہرست | فیز | درجہ | پارٹ
        والیوم | سمسٹر | یونٹ | کلاس | گریڈ | دفعہ | ضمیمہ | عظیم | World War | Part | Chapter
        Phase | Class | Type
        """
    ),
    centuries=("صدی", "صدیوں", "صدیاں"),
    century_ending="ویں",
    masculine="واں",
    oblique="ویں",
)
