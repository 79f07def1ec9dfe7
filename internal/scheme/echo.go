package scheme

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// keepSecrets keeps what an answer may not give back: the secrets, values of type secret that the request is made of,
// and the texts of the request that a secret flows into; each also as a vendor reads it that takes it for a form.
func (c *LoginCall) keepSecrets(made *loginRequest, e *environment) {
	d := c.signer.scheme.document
	keep := func(text string) {
		for _, kept := range []string{text, formDecode(text)} { // a form loses a + of base64
			if kept != "" && !slices.Contains(c.secrets, kept) {
				c.secrets = append(c.secrets, kept)
			}
		}
	}
	for i, f := range d.secrets {
		if f.key == "" {
			keep(e.values[firstSlot+i])
		}
	}
	for _, text := range c.signer.givenTexts {
		keep(text)
		keep(pemBody(text))
	}
	for _, value := range made.secrets {
		keep(value(e))
	}
	whole := func(outputs []output, text string) {
		if slices.ContainsFunc(outputs, func(o output) bool { return o.ofSecret }) {
			keep(text)
		}
	}
	for _, part := range made.outputs() {
		whole([]output{part}, part.value(e))
	}
	whole(made.query, c.sent.query)
	whole(slices.Concat(made.form, made.json, made.body), c.sent.body)
}

// pemBody is what stands between the first and the last line of PEM, without line breaks.
func pemBody(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[min(1, len(lines)-1):max(1, len(lines)-1)], "")
}

// givesBack reports whether some texts have in them what an answer may not give back: as it is, in hex, in base64 or
// base64url wherever it begins there, percent-encoded or escaped as in JSON.
func (c LoginCall) givesBack(taken []string) bool {
	texts := slices.Clone(taken)
	for _, text := range taken {
		texts = append(texts, readings(text)...)
	}
	lower := lowered(texts)
	for _, text := range c.secrets {
		if isIn(text, texts, lower) {
			return true
		}
	}
	for _, key := range c.signer.keys {
		if key.isIn(texts) {
			return true
		}
	}
	return false
}

// readings are what a text can be decoded to: percent-encoding, in which a + is a space only in forms, and JSON's
// escapes.
func readings(text string) []string {
	var read []string
	if strings.ContainsAny(text, "%+") {
		read = append(read, formDecode(text), formDecode(strings.ReplaceAll(text, "+", "%2B")))
	}
	if strings.Contains(text, `\`) {
		read = append(read, jsonUnescaped(text))
	}
	return read
}

func lowered(texts []string) []string {
	lower := make([]string, len(texts))
	for i, text := range texts {
		lower[i] = strings.ToLower(text)
	}
	return lower
}

// jsonUnescaped is a text without the escapes of JSON, whether it is JSON or not.
func jsonUnescaped(text string) string {
	var plain strings.Builder
	for text != "" {
		before, after, is := strings.Cut(text, `\`)
		plain.WriteString(before)
		if !is {
			break
		}
		size := min(len(after), 1)
		switch {
		case after == "":
		case after[0] == 'u':
			decoded, length := unicodeEscape(after)
			plain.WriteString(decoded)
			size = length
		case strings.IndexByte("bfnrt", after[0]) >= 0:
			plain.WriteByte("\b\f\n\r\t"[strings.IndexByte("bfnrt", after[0])])
		default: // a quote, a slash or a backslash
			plain.WriteByte(after[0])
		}
		text = after[size:]
	}
	return plain.String()
}

// unicodeEscape decodes the escape at the beginning of a text, without its backslash, and says how long it is. A
// character beyond U+FFFF has two.
func unicodeEscape(text string) (decoded string, length int) {
	unit := func(escape string) rune {
		if len(escape) < 5 || escape[0] != 'u' {
			return utf8.RuneError
		}
		code, err := strconv.ParseUint(escape[1:5], 16, 16)
		if err != nil {
			return utf8.RuneError
		}
		return rune(code)
	}
	first := unit(text)
	if first == utf8.RuneError {
		return "", 1
	}
	if second, is := strings.CutPrefix(text[5:], `\`); is && utf16.IsSurrogate(first) {
		if both := utf16.DecodeRune(first, unit(second)); both != utf8.RuneError {
			return string(both), 11
		}
	}
	return string(first), 5
}
