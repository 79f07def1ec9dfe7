package requeststring

import (
	"unicode"
	"unicode/utf8"
)

// lookalikes are the characters that a server may turn into ., /, \ or % after it has decoded a path. Unicode's NFKC does that to
// full-width forms, leaders, and signs such as U+2105 (c/o). Windows does it to others where it converts to a code page, by a
// "best fit": U+00A5 becomes \ in Japanese (932), and U+20A9 in Korean (949, 1361); U+00B4 becomes / in Greek (1253); U+066A, U+2044,
// U+2215 and U+2216 become %, / and \ in Western and other European (1250, 1252, 1254).
var lookalikes = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00a5, 0x00a5, 1}, {0x00b4, 0x00b4, 1}, {0x066a, 0x066a, 1}, {0x2024, 0x2026, 1}, {0x2044, 0x2044, 1}, {0x20a9, 0x20a9, 1},
		{0x2100, 0x2101, 1}, {0x2105, 0x2106, 1}, {0x2215, 0x2216, 1}, {0x2488, 0x249b, 1}, {0x33c2, 0x33c2, 1}, {0x33c7, 0x33c7, 1},
		{0x33d8, 0x33d8, 1}, {0xfe19, 0xfe19, 1}, {0xfe30, 0xfe30, 1}, {0xfe52, 0xfe52, 1}, {0xfe68, 0xfe68, 1}, {0xfe6a, 0xfe6a, 1},
		{0xff05, 0xff05, 1}, {0xff0e, 0xff0f, 1}, {0xff3c, 0xff3c, 1},
	},
	R32: []unicode.Range32{{0x1f100, 0x1f100, 1}},
}

func isLookalike(r rune) bool { return r >= utf8.RuneSelf && unicode.Is(lookalikes, r) }
