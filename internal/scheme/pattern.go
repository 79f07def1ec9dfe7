package scheme

import (
	"regexp"
	"regexp/syntax"
	"runtime"
	"strings"
	"sync"
	"weak"
)

// Limits of patterns.
const (
	maxPattern            = 512    // bytes
	maxClasses            = 8      // of Unicode, such as \pL, in one
	maxInstructions       = 2_000  // of one
	maxSchemeInstructions = 16_000 // of all in a stored scheme
	// maxSteps is how many steps matching all values of a stored scheme may take: the sum of instructions times bytes.
	maxSteps = 20_000_000
)

// Limits of patterns in new documents. Patterns that are equal count once for memory, because they share it.
const (
	maxNewInstructions = 1_000     // of all in a scheme
	maxNewRunes        = 8_192     // in the literals and classes of all in a scheme; \pL has some 1,300
	maxNewSteps        = 1_200_000 // some milliseconds
)

// defaultPattern is printable ASCII without a comma: Vault splits the values of a policy's allowed_parameters at
// commas.
const defaultPattern = `[!-+\--~]+`

// commaPattern is the default of a request_string with commas: true.
const commaPattern = `[!-~]+`

// pattern is a regular expression that must match a whole value.
type pattern struct {
	compiled     *regexp.Regexp // prefers the longest match
	instructions int
	// runes are what its literals and classes have in memory.
	runes int
	// anchored says that it has a ^, \A, $ or \z of its own.
	anchored bool
	// characters are those that values may have.
	characters alphabet
}

// patterns are those in use, by their text: the configs of a process share them. It keeps none alive.
var patterns = struct {
	mu     sync.Mutex
	byText map[string]weak.Pointer[pattern]
}{byText: map[string]weak.Pointer[pattern]{}}

// sharedPattern is newPattern, or the pattern of that text which another config has.
func sharedPattern(text string) (p *pattern, fault string) {
	patterns.mu.Lock()
	p = patterns.byText[text].Value()
	patterns.mu.Unlock()
	if p != nil {
		return p, ""
	}
	if p, fault = newPattern(text); fault != "" {
		return nil, fault
	}
	patterns.mu.Lock()
	defer patterns.mu.Unlock()
	if other := patterns.byText[text].Value(); other != nil { // another goroutine was quicker
		return other, ""
	}
	patterns.byText[text] = weak.Make(p)
	runtime.AddCleanup(p, forgetPattern, text)
	return p, ""
}

// forgetPattern ends the entry of a pattern that was in use.
func forgetPattern(text string) {
	patterns.mu.Lock()
	defer patterns.mu.Unlock()
	if patterns.byText[text].Value() == nil { // else it is in use again
		delete(patterns.byText, text)
	}
}

// matches reports whether the pattern matches a whole value. The longest of the leftmost matches is the whole value if
// any match is. So no anchors are needed: in text around a pattern they could be broken out of, by a ) or by an
// unclosed \Q, and printing an anchored tree takes seconds for some patterns.
func (p *pattern) matches(value string) bool {
	found := p.compiled.FindStringIndex(value)
	return found != nil && found[0] == 0 && found[1] == len(value)
}

// foldsCase matches the flag i of a group.
var foldsCase = regexp.MustCompile(`\(\?[a-zA-Z]*i`)

// newPattern compiles a pattern. fault is what is wrong with it; "" if nothing is.
func newPattern(text string) (p *pattern, fault string) {
	if len(text) > maxPattern {
		return nil, "is longer than 512 bytes"
	}
	if foldsCase.MatchString(text) && (!printable(text) || strings.Contains(text, `\x{`)) {
		return nil, "has (?i) and characters outside ASCII, which takes long to compile"
	}
	if strings.Count(text, `\p`)+strings.Count(text, `\P`) > maxClasses {
		return nil, "names more than 8 Unicode classes, which takes long to compile"
	}
	if unclosedQuote(text) {
		return nil, `has a \Q without \E`
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, "is not a regular expression as RE2 has them (https://github.com/google/re2/wiki/Syntax); repetitions " +
			"have at most 1,000"
	}
	p = &pattern{instructions: instructions(tree)}
	if p.instructions > maxInstructions {
		return nil, "is too large: it compiles to more than 2,000 instructions; use max for the length of a value"
	}
	p.inspect(tree)
	if p.anchored {
		// Package regexp compiles what begins with ^ a second time, into a program of some MiB. This does not begin with
		// it, and matches the same.
		text = `(?:\b|\B)(?:` + text + `)`
	}
	if p.compiled, err = regexp.Compile(text); err != nil {
		return nil, "is not a regular expression as RE2 has them"
	}
	p.compiled.Longest()
	return p, ""
}

// inspect notes what is in a tree. Repetitions share their runes.
func (p *pattern) inspect(tree *syntax.Regexp) {
	p.runes += cap(tree.Rune)
	p.characters.add(tree)
	switch tree.Op { //nolint:exhaustive // the others are no anchors
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		p.anchored = true
	}
	for _, sub := range tree.Sub {
		p.inspect(sub)
	}
}

// unclosedQuote reports whether a pattern has a \Q without \E, which would quote whatever follows the pattern.
func unclosedQuote(text string) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] == 'Q' {
			end := strings.Index(text[i+2:], `\E`)
			if end < 0 {
				return true
			}
			i += 2 + end
		}
		i++
	}
	return false
}

// instructions estimates how many instructions a pattern compiles to, without compiling it: repetitions multiply, and a
// small pattern can become a large program.
func instructions(tree *syntax.Regexp) int {
	subs := 0
	for _, sub := range tree.Sub {
		subs = min(subs+instructions(sub), maxSchemeInstructions)
	}
	switch tree.Op {
	case syntax.OpLiteral:
		return len(tree.Rune)
	case syntax.OpCharClass:
		return 1 + len(tree.Rune)/64 // a class of many ranges is one instruction, but not a small one
	case syntax.OpConcat:
		return subs
	case syntax.OpAlternate:
		return subs + len(tree.Sub)
	case syntax.OpRepeat:
		optional := tree.Max - tree.Min // each is an instruction more
		if tree.Max < 0 {
			optional = 1
		}
		return min(subs*max(tree.Min, tree.Max, 1)+optional, maxSchemeInstructions)
	default:
		return subs + 2
	}
}
