package scheme

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hashedText is a text that an example hashed or signed, and what did it.
type hashedText struct{ function, text string }

// Limits of what the error of an example shows.
const (
	maxShownTexts = 4
	maxShownText  = 1_000 // bytes
)

// traced is the value of a call. If the environment wants it, what is hashed or signed is noted.
func (f *function) traced(args []evaluate, value evaluate) evaluate {
	if f.message == 0 {
		return value
	}
	message := args[f.message-1]
	return func(e *environment) string {
		if e.trace != nil {
			hashed := hashedText{f.name, message(e)} // after those inside
			if !slices.Contains(*e.trace, hashed) {
				*e.trace = append(*e.trace, hashed)
			}
		}
		return value(e)
	}
}

// hashedFor returns what an example hashes and signs for some outputs, in words: "" for nothing. It is called for whole
// schemes.
func (s *Scheme) hashedFor(x example, of ...output) string {
	signer, err := s.signer(x.values)
	if err != nil {
		return ""
	}
	e, err := signer.environment(x.moment, x.request)
	if err != nil {
		return ""
	}
	used := map[string]bool{}
	for _, output := range of {
		maps.Copy(used, output.uses)
	}
	s.checked.addUses(used)
	var texts []hashedText
	for _, let := range s.checked.lets {
		if let.compute == nil {
			continue
		}
		if e.trace = nil; used[let.name] {
			e.trace = &texts
		}
		let.compute(e)
	}
	e.trace = &texts
	for _, output := range of {
		output.value(e)
	}
	if len(texts) == 0 {
		return ""
	}
	var said []string
	for _, hashed := range texts[max(0, len(texts)-maxShownTexts):] {
		text, cut := hashed.text, ""
		if len(text) > maxShownText {
			text, cut = text[:maxShownText], " (cut off)"
		}
		said = append(said, fmt.Sprintf("%s of %q%s", hashed.function, text, cut))
	}
	return "; it is made with " + strings.Join(said, " and ")
}

// encodingHint asks whether a secret of an example should be decoded, for each that looks like it; "" if none does.
func (s *Scheme) encodingHint(x example) string {
	var names []string
	for _, f := range s.document.secrets {
		text := x.values.Secrets[f.name].Reveal()
		if _, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && f.encoding == encodingText {
			names = append(names, f.name)
		}
	}
	if names == nil {
		return ""
	}
	return "; " + alternatives(names) + " could be base64: if the API decodes it, declare it with encoding: base64"
}
