"""Strings on which tokenizers must agree: what people type in many languages, and what they should not."""

import unicodedata

import seeded

PHRASES = [
    "a photo of a cat", "Where did I leave my keys?", "It's on the table, isn't it?", "we'll see what they've done; I'd say you're right, I'm sure",
    "two red chairs beside a wooden table in a dark room", "Turn off the light in the kitchen and close the window before you leave the house.",
    "the robot is in the living room, next to the blue sofa", "What is the time? 12:34:56, 2026-11-28.", "3.14159 1,000,000 0x7f 1e-9 50% 7½ ²³ Ⅷ ١٢٣ १२३",
    "Где лежат мои ключи?", "Выключи, пожалуйста, свет на кухне.", "Der Schlüssel liegt auf dem Küchentisch; die Straße ist naß.",
    "Où est la tasse rouge ? Elle est près de la fenêtre.", "El niño comió jamón en la habitación número 5.", "A xícara está à direita do fogão.",
    "Il caffè è già pronto, perché non vieni?", "Proszę zamknąć okno w łazience.", "Zavři prosím dveře do ložnice.", "Mutfaktaki ışığı kapatır mısın? İstanbul, ılık.",
    "Πού είναι τα κλειδιά μου; ΟΔΥΣΣΕΥΣ", "איפה המפתחות שלי?", "أين مفاتيحي؟ ضَعِ الكوبَ على الطاولة.", "मेरी चाबियाँ कहाँ हैं?", "আমার চাবি কোথায়?",
    "กุญแจของฉันอยู่ที่ไหน", "Chìa khóa của tôi ở đâu?", "我的钥匙在哪里？", "請把窗戶關上。", "鍵はどこですか？ カップは机の上にあります。", "내 열쇠는 어디에 있나요?",
    "სად არის ჩემი გასაღები?", "Որտե՞ղ են իմ բանալիները։", "የእኔ ቁልፎች የት አሉ?", "Hvor er nøklene mine? Åpne døra!", "Missä avaimeni ovat? Pöydällä.",
    "Hol vannak a kulcsaim? Nézd meg a hűtőt!", "☕ on the table 👍", "👩‍👩‍👧‍👦 family 🇩🇪🇯🇵 🏳️‍🌈 👋🏽", "I ❤️ robots 🤖🤖🤖!!!", "→ ← ⇒ ∀x∈ℝ: x² ≥ 0 √2 ≈ 1.41 ∞",
    "fn main() { println!(\"{}\", 1 + 2); }", "https://example.org/a?b=c&d=%20#e", "user.name+tag@example.org", "C:\\Users\\robot\\models\\clip.onnx", "<b>not</b> &amp; a tag",
    "SELECT * FROM turns WHERE cost > 0.5;", "don't DON'T Don’t 's 'S 'll 'LL 'Ve", "(((nested))) [brackets] {braces} <<angles>>", "...!!!???---___===+++", "snake_case camelCase kebab-case SCREAMING_CASE",
    "ﬁne ﬂow ﬀ ﬃ Å Å Ω Ω ｆｕｌｌｗｉｄｔｈ １２３", "naïve café résumé coöperate façade", "ÀÉÎÕÜ àéîõü ĲĳŁłØøŒœÞþÐð", "ǅ ǈ ǋ ß ẞ ŉ ǰ ΐ ΰ և", "the the the on on on", " leading", "trailing ", "  two  spaces  ", "tab\tand\nnew line\r\nand more",
]  # fmt: skip
ODD = [
    "", " ", "  ", "\n", "\t", "\r\n\r\n", "\u00a0", "\u3000", "\u2003x", "\u200b", "a\u200bb", "\ufeff", "\ufeffbegin", "\u202eright to left\u202c", "\u2066isolated\u2069", "\x00", "a\x00b", "\x01\x02\x1f\x7f",
    "\x1b[31mred\x1b[0m", "\x85 next line", "\u2028 line \u2029 paragraph", "\ufffd", "\ufffd\ufffd\ufffd", "\ufffe\uffff", "\U0001fffe", "\ue000\uf8ff private", "\U000f0000\U0010fffd", "\U0010ffff", "e\u0301\u0301\u0301", "\u0301alone", "a" + "\u0335\u0336\u0337\u0338" * 20,
    "\u1100\u1161\u11a8 \uac01", "\u0915\u094d\u0937", "\u0e01\u0e33", "\u0644\u0627", "I\u0307 i\u0307 \u0130 \u0131", "\u03a3 \u03c3 \u03c2", "\ufb01\u0301", "\U0001f468\u200d\U0001f680", "\U0001f3fb", "1\ufe0f\u20e3", "\u2764\ufe0e\u2764\ufe0f", "\U0001f1e9\U0001f1ea\U0001f1ef", "<|endoftext|>", "<|startoftext|>", "a<|endoftext|>b", "<|endoftext|",
    "</w>", "a</w> b</w>", "\u0120the\u0120", "'", "''", "'s", " 's", "'ss", "x's'll've", "\u2019s", "0", "00000", "12345678901234567890", "\u0661\u0662\u0663\u0664", "\u2460\u2461\u2462", "\u00bd\u00bc", "\u2167", "\U0001d7d8\U0001d7d9", "\u3007\u4e00", "\u3405\U00020000\U0002a6d6", "_", "__init__", "-", "\u2014\u2014", "\u201cquoted\u201d", "$ \u20ac \u00a3 \u20bf", "\u0300", "\u0903", "\u20dd", "\u2170\u2171",
]  # fmt: skip
LONG = [
    "a" * 300, "ab" * 250, "the" * 200, "o" * 1000, "1" * 300, "!" * 300, " " * 300, "\n" * 200, "é" * 200, "日本" * 150, "👍" * 100, "👩‍👩‍👧‍👦" * 30, "\u0301" * 200, "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 6,
    "x" * 255 + " " + "y" * 257, "theon" * 111 + "!" * 50 + "12" * 60, "абвгдежзийклмнопрстуфхцчшщъыьэюя" * 8,
]  # fmt: skip
SPACES = [" ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u3000", " \n ", "", "-", ", ", "\u200b"]
# From and below: Latin with accents, Greek to Arabic, Indic to Thai, marks and symbols, Han and Hangul, compatibility forms, beyond.
RANGES = [
    (0x00, 0x100), (0x100, 0x370), (0x370, 0x700), (0x900, 0xE80), (0x1E00, 0x2C00), (0x3000, 0xA000), (0xA000, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000), (0x1F300, 0x1FB00), (0x20000, 0x110000),
]  # fmt: skip
MIXED = 520
DRAWN = 380


def numbers(name):
    """An endless stream of whole numbers."""
    for number in seeded.uniform(name, 200_000):
        yield int((float(number) + 1.0) * (1 << 23))


def all_texts():
    """The strings, each once, in a fixed order."""
    draw = numbers("texts")

    def pick(things):
        return things[next(draw) % len(things)]

    texts = PHRASES + ODD + LONG
    texts += [phrase.upper() for phrase in PHRASES] + [phrase.title() for phrase in PHRASES]
    texts += [unicodedata.normalize("NFD", phrase) for phrase in PHRASES]
    words = [word for phrase in PHRASES for word in phrase.split()]
    for _ in range(MIXED):
        texts.append("".join(pick(words) + pick(SPACES) for _ in range(1 + next(draw) % 6)))
    for _ in range(DRAWN):
        low, high = pick(RANGES)
        texts.append("".join(chr(low + next(draw) % (high - low)) if next(draw) % 5 else pick(SPACES) for _ in range(1 + next(draw) % 12)))
    return list(dict.fromkeys(texts))
