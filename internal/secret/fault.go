package secret

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault returns what shows that a value is not the secret that its owner has, worded to follow the name of a parameter;
// "" if nothing does. It is for secrets that are text, and quotes nothing.
func Fault(value string) string {
	if damage := Damage(value); damage != "" {
		return damage
	}
	if strings.ContainsFunc(value, isTypographicQuote) {
		return `contains a typographic quote, which editors and chats put in place of ' and ": copy it again, as plain ` +
			"text"
	}
	return ""
}

// Damage is Fault for values that may contain typographic quotes, such as names.
func Damage(value string) string {
	switch {
	case NotUTF8(value):
		return "contains U+FFFD, which stands in place of bytes that are not UTF-8: save it as UTF-8, and write it " +
			"again"
	case strings.ContainsFunc(value, isInvisible):
		return "contains an invisible character, such as a byte-order mark, a no-break space or a zero-width space: " +
			"copy it again, as plain text"
	}
	return ""
}

// NotUTF8 reports whether a value is not UTF-8, or was not: the command line and JSON put U+FFFD in place of what is
// not.
func NotUTF8(value string) bool { return strings.ContainsRune(value, utf8.RuneError) }

// invisible are characters without a shape of their own: formats such as zero-width spaces, joiners, byte-order marks
// and marks of direction, fillers and selectors, and blanks other than the space.
var invisible = []*unicode.RangeTable{
	unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
	unicode.Zl, unicode.Zp, unicode.Zs,
}

func isInvisible(r rune) bool {
	const brailleBlank = '\u2800'
	return r > '~' && (unicode.In(r, invisible...) || r == brailleBlank)
}

// isTypographicQuote leaves out the brackets that quote in Chinese and Japanese: nobody's editor puts them in place of
// others.
func isTypographicQuote(r rune) bool {
	return r > '~' && r < '\u3000' && unicode.Is(unicode.Quotation_Mark, r)
}
