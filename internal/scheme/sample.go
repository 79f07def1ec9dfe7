package scheme

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// hasTwoValues reports whether a request field cannot be empty and certainly has two values. Values that
// differ only in what lower, upper, trim and sorted_query remove count as one, because freshness passes through those.
// decoded reports whether that holds too for what decoded_query and sorted_pairs leave.
func (f field) hasTwoValues() (two, decoded bool) {
	tree, err := syntax.Parse(f.pattern.compiled.String(), syntax.Perl)
	if err != nil || f.least() == 0 {
		return false, false
	}
	first, firstCharacters := "", ""
	for _, sample := range append(samples(tree), "/a", "/b") { // request strings begin with a slash
		folded := lowerASCII(sortedQuery(trim(sample)))
		characters := sortedCharacters(sample)
		steps := len(sample) * f.pattern.instructions
		if folded == "" || folded == first || steps > maxSampleSteps || f.check(sample) != nil {
			continue
		}
		two = two || first != ""
		if characters != "" && firstCharacters != "" && characters != firstCharacters {
			return true, true
		}
		first = cmp.Or(first, folded)
		firstCharacters = cmp.Or(firstCharacters, characters)
	}
	return two, false
}

// sortedCharacters are the bytes of a text as often as it is decoded, sorted, in lower case and without what separates.
func sortedCharacters(text string) string {
	for decoded := formDecode(text); decoded != text; decoded = formDecode(text) {
		text = decoded
	}
	sorted := slices.DeleteFunc([]byte(lowerASCII(text)), func(c byte) bool {
		return strings.IndexByte("&=%+ \t\r\n", c) >= 0
	})
	slices.Sort(sorted)
	return string(sorted)
}

// maxSampleSteps is how many steps matching a sample may take: instructions times bytes. A pattern whose shortest
// values take more, such as [0-9a-f]{600}, counts as having one value.
const maxSampleSteps = 300_000

// maxSamples is how many samples of a pattern, or of a part of it, are made.
const maxSamples = 8

// samples are some texts that a pattern may match, by its tree. They are guesses, which must be held against the
// pattern: it can have conditions that the tree does not show, such as \b.
func samples(tree *syntax.Regexp) []string {
	var found []string
	switch tree.Op {
	case syntax.OpNoMatch:
	case syntax.OpLiteral:
		found = []string{string(tree.Rune)}
	case syntax.OpCharClass:
		found = classSamples(tree.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		found = []string{"a", "b"}
	case syntax.OpCapture, syntax.OpPlus:
		found = samples(tree.Sub[0])
	case syntax.OpStar, syntax.OpQuest:
		found = append([]string{""}, samples(tree.Sub[0])...)
	case syntax.OpRepeat:
		for _, sample := range samples(tree.Sub[0]) {
			found = append(found, strings.Repeat(sample, tree.Min))
			if tree.Min != tree.Max {
				found = append(found, strings.Repeat(sample, tree.Min+1))
			}
		}
	case syntax.OpConcat:
		found = concatSamples(tree.Sub)
	case syntax.OpAlternate:
		for _, sub := range tree.Sub {
			found = append(found, samples(sub)...)
		}
	default: // the beginning or the end of something
		found = []string{""}
	}
	return firstSamples(found)
}

// firstSamples are the first of some samples, each once.
func firstSamples(found []string) []string {
	var kept []string
	for _, sample := range found {
		if len(kept) < maxSamples && !slices.Contains(kept, sample) {
			kept = append(kept, sample)
		}
	}
	return kept
}

// classSamples are letters and digits of a class, and where its ranges begin and end.
func classSamples(ranges []rune) []string {
	var found []string
	in := func(r rune) bool {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return true
			}
		}
		return false
	}
	for _, r := range "ab01AB" {
		if in(r) {
			found = append(found, string(r))
		}
	}
	for i := 0; i+1 < len(ranges) && len(found) < maxSamples; i += 2 {
		for _, r := range []rune{ranges[i], ranges[i+1]} {
			if r <= unicode.MaxRune {
				found = append(found, string(r))
			}
		}
	}
	return firstSamples(found)
}

// concatSamples joins samples of the parts of a text: the first of each part, and then others with one part changed at
// a time.
func concatSamples(parts []*syntax.Regexp) []string {
	first := make([]string, len(parts))
	others := make([][]string, len(parts))
	for i, part := range parts {
		of := samples(part)
		if len(of) == 0 {
			return nil
		}
		first[i], others[i] = of[0], of[1:]
	}
	found := []string{strings.Join(first, "")}
	for round := range maxSamples {
		for i, of := range others {
			if round < len(of) && len(found) < maxSamples {
				changed := slices.Clone(first)
				changed[i] = of[round]
				found = append(found, strings.Join(changed, ""))
			}
		}
	}
	return found
}
