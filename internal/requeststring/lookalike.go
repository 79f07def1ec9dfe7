package requeststring

import (
	"strings"
	"unicode/utf8"
)

// lookalikes are the characters that a server may turn into ., /, \ or % after it has decoded a path. Unicode's NFKC
// does that to the first group. Windows does it to the second where it converts to a code page, by a "best fit".
const lookalikes = "\uff0e\ufe52\u2024\u2025\ufe30\u2026\ufe19" + // dots, and leaders of two and three
	"\uff0f\uff3c\ufe68\uff05\ufe6a" + // full-width and small /, \ and %
	"\u2100\u2101\u2105\u2106" + // a/c, a/s, c/o, c/u
	"\u2488\u2489\u248a\u248b\u248c\u248d\u248e\u248f\u2490\u2491" + // 1. to 10.
	"\u2492\u2493\u2494\u2495\u2496\u2497\u2498\u2499\u249a\u249b" + // 11. to 20.
	"\U0001f100\u33c2\u33c7\u33d8" + // 0., a.m., Co., p.m.
	"\u00a5\u20a9\u2216" + // \ in Japanese (932), in Korean (949, 1361), and in European ones (1250, 1252, 1254)
	"\u00b4\u2044\u2215" + // / in Greek (1253), and in European ones
	"\u066a" // % in European ones

func isLookalike(r rune) bool { return r >= utf8.RuneSelf && strings.ContainsRune(lookalikes, r) }
