package scheme

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// alphabet is the characters that values of a request field may have.
type alphabet struct {
	name  string
	ascii [utf8.RuneSelf]bool
	// other says that there may be characters outside ASCII.
	other bool
}

// newAlphabet reads the alphabet of a field off its pattern. It may have characters too many: those at places that no
// value reaches.
func newAlphabet(declared declaration) *alphabet {
	a := &alphabet{name: declared.name}
	if tree, err := syntax.Parse(declared.pattern.compiled.String(), syntax.Perl); err == nil {
		a.add(tree)
	}
	if declared.name == requestString {
		for c := range a.ascii {
			// Its own rules refuse some characters, wherever they are.
			a.ascii[c] = a.ascii[c] && requeststring.Check("/a?"+string(rune(c))+"a", nil) == nil
		}
	}
	return a
}

// add adds the characters of a pattern.
func (a *alphabet) add(tree *syntax.Regexp) {
	switch tree.Op { //nolint:exhaustive // the others have no characters of their own
	case syntax.OpAnyChar:
		a.addRange(0, unicode.MaxRune)
	case syntax.OpAnyCharNotNL:
		a.addRange(0, '\n'-1)
		a.addRange('\n'+1, unicode.MaxRune)
	case syntax.OpLiteral:
		for _, r := range tree.Rune {
			a.addRange(r, r)
			if tree.Flags&syntax.FoldCase == 0 {
				continue
			}
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				a.addRange(other, other)
			}
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(tree.Rune); i += 2 {
			a.addRange(tree.Rune[i], tree.Rune[i+1])
		}
	}
	for _, sub := range tree.Sub {
		a.add(sub)
	}
}

func (a *alphabet) addRange(first, last rune) {
	for r := first; r <= min(last, utf8.RuneSelf-1); r++ {
		a.ascii[r] = true
	}
	a.other = a.other || last >= utf8.RuneSelf
}

func (a *alphabet) has(r rune) bool {
	if r >= utf8.RuneSelf {
		return a.other
	}
	return a.ascii[r]
}

// hasAll reports whether every character of a text is in the alphabet.
func (a *alphabet) hasAll(text string) bool {
	for _, r := range text {
		if !a.has(r) {
			return false
		}
	}
	return true
}
