package scheme

import (
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// alphabet is the characters that values of a pattern may have. It may include some that no value has, because it does
// not look at where they stand.
type alphabet struct {
	ascii [utf8.RuneSelf]bool
	// other says that there may be characters outside ASCII.
	other bool
}

// alphabet returns the characters that values of a field may have.
func (f field) alphabet() alphabet {
	a := f.pattern.characters
	if f.name == requestString {
		for c := range a.ascii {
			// Its own rules refuse some characters, wherever they are.
			a.ascii[c] = a.ascii[c] && requeststring.Check("/a?"+string(rune(c))+"a", nil) == nil
		}
	}
	return a
}

// add adds the characters of a node of a pattern.
func (a *alphabet) add(node *syntax.Regexp) {
	switch node.Op { //nolint:exhaustive // the others have no characters of their own
	case syntax.OpAnyChar:
		a.addRange(0, unicode.MaxRune)
	case syntax.OpAnyCharNotNL:
		a.addRange(0, '\n'-1)
		a.addRange('\n'+1, unicode.MaxRune)
	case syntax.OpLiteral:
		for _, r := range node.Rune {
			a.addRange(r, r)
			if node.Flags&syntax.FoldCase == 0 {
				continue
			}
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				a.addRange(other, other)
			}
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(node.Rune); i += 2 {
			a.addRange(node.Rune[i], node.Rune[i+1])
		}
	}
}

func (a *alphabet) addRange(first, last rune) {
	for r := first; r <= min(last, utf8.RuneSelf-1); r++ {
		a.ascii[r] = true
	}
	a.other = a.other || last >= utf8.RuneSelf
}

// hasAll reports whether every character of a text is in the alphabet.
func (a *alphabet) hasAll(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf && !a.other || r < utf8.RuneSelf && !a.ascii[r]
	})
}
