package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

const (
	notUTF8 = "contains U+FFFD, which stands in place of bytes that are not UTF-8: save it as UTF-8, and write it " +
		"again"
	invisible = "contains an invisible character, such as a byte-order mark, a no-break space or a zero-width space: " +
		"copy it again, as plain text"
	typographic = `contains a typographic quote, which editors and chats put in place of ' and ": copy it again, as ` +
		"plain text"
)

func TestFault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ character, damage, fault string }{
		"nothing":                  {"", "", ""},
		"a blank":                  {" ", "", ""},
		"ASCII quotes":             {"'\"`", "", ""},
		"a tilde":                  {"~", "", ""},
		"accents":                  {"é\u00fc", "", ""},
		"a combining accent":       {"e\u0301", "", ""},
		"another script":           {"検疫", "", ""},
		"an emoji":                 {"\U0001f511", "", ""},
		"a dash":                   {"\u2013", "", ""},
		"Japanese quotes":          {"「」", "", ""},
		"U+FFFD":                   {"\ufffd", notUTF8, notUTF8},
		"a byte that is not UTF-8": {"\xff", notUTF8, notUTF8},
		"a byte-order mark":        {"\ufeff", invisible, invisible},
		"a no-break space":         {"\u00a0", invisible, invisible},
		"a narrow no-break space":  {"\u202f", invisible, invisible},
		"a thin space":             {"\u2009", invisible, invisible},
		"an ideographic space":     {"\u3000", invisible, invisible},
		"a zero-width space":       {"\u200b", invisible, invisible},
		"a zero-width joiner":      {"\u200d", invisible, invisible},
		"a word joiner":            {"\u2060", invisible, invisible},
		"a soft hyphen":            {"\u00ad", invisible, invisible},
		"a mark of direction":      {"\u200e", invisible, invisible},
		"an override of direction": {"\u202e", invisible, invisible},
		"a line separator":         {"\u2028", invisible, invisible},
		"a paragraph separator":    {"\u2029", invisible, invisible},
		"a grapheme joiner":        {"\u034f", invisible, invisible},
		"a Hangul filler":          {"\u3164", invisible, invisible},
		"a Braille blank":          {"\u2800", invisible, invisible},
		"a variation selector":     {"\ufe0f", invisible, invisible},
		"a tag":                    {"\U000e0041", invisible, invisible},
		"single quotes":            {"\u2018\u2019", "", typographic},
		"an apostrophe":            {"\u2019", "", typographic},
		"double quotes":            {"\u201c\u201d", "", typographic},
		"low quotes":               {"\u201a\u201e", "", typographic},
		"angle quotes":             {"\u00ab\u00bb", "", typographic},
		"single angle quotes":      {"\u2039\u203a", "", typographic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, value := range []string{
				test.character, test.character + "canary", "canary" + test.character, "can" + test.character + "ary",
			} {
				require.Equal(t, test.damage, secret.Damage(value), "%q", value)
				require.Equal(t, test.fault, secret.Fault(value), "%q", value)
			}
			require.Equal(t, test.damage == notUTF8, secret.NotUTF8("a"+test.character))
		})
	}
}
