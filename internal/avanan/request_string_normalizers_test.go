package avanan

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

// normalizers are ways in which servers and proxies turn a request target into the path that they serve; ok is false
// where they reject it. They share nothing with the code under test.
var normalizers = map[string]func(requestTarget string) (path string, ok bool){
	"net/http: decode, clean, reject bad escapes": func(target string) (string, bool) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			return "", false
		}
		return cleaned(parsed.Path), true
	},
	"decode, clean": func(target string) (string, bool) {
		return cleaned(decoded(pathOf(target))), true
	},
	"clean, decode": func(target string) (string, bool) {
		return decoded(cleaned(pathOf(target))), true
	},
	"RFC 3986: remove dot segments, keep empty ones, decode": func(target string) (string, bool) {
		return decoded(withoutDotSegments(pathOf(target))), true
	},
	"decode twice, clean": func(target string) (string, bool) {
		return cleaned(decoded(decoded(pathOf(target)))), true
	},
	"decode until nothing changes, clean": func(target string) (string, bool) {
		text := pathOf(target)
		for decoded(text) != text {
			text = decoded(text)
		}
		return cleaned(text), true
	},
	"decode, split off query and fragment, clean": func(target string) (string, bool) {
		return cleaned(before(decoded(target), "?#")), true
	},
	"nginx: merge slashes, decode, merge slashes, clean": func(target string) (string, bool) {
		return cleaned(slashesMerged(decoded(slashesMerged(pathOf(target))))), true
	},
	"Tomcat: strip parameters, decode, clean": func(target string) (string, bool) {
		return cleaned(decoded(withoutParameters(pathOf(target)))), true
	},
	"decode, strip parameters, clean": func(target string) (string, bool) {
		return cleaned(withoutParameters(decoded(pathOf(target)))), true
	},
	"IIS: decode, backslash as slash, clean": func(target string) (string, bool) {
		return cleaned(strings.ReplaceAll(decoded(pathOf(target)), `\`, "/")), true
	},
	"decode, drop spaces, clean": func(target string) (string, bool) {
		return cleaned(strings.ReplaceAll(decoded(pathOf(target)), " ", "")), true
	},
	"C strings: decode, end at NUL, clean": func(target string) (string, bool) {
		return cleaned(before(decoded(pathOf(target)), "\x00")), true
	},
	"forwarded in a request line: decode, end at CR or LF, clean": func(target string) (string, bool) {
		return cleaned(before(decoded(pathOf(target)), "\r\n")), true
	},
	"decode, drop control characters, clean": func(target string) (string, bool) {
		return cleaned(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, decoded(pathOf(target)))), true
	},
	"decode, drop what is not UTF-8, clean": func(target string) (string, bool) {
		return cleaned(strings.ToValidUTF8(decoded(pathOf(target)), "")), true
	},
	"decode, read overlong UTF-8, clean": func(target string) (string, bool) {
		return cleaned(overlongRead(decoded(pathOf(target)))), true
	},
	"IIS: decode with %u, clean": func(target string) (string, bool) {
		return cleaned(strings.ReplaceAll(decodedWithU(pathOf(target)), `\`, "/")), true
	},
	"decode, decode with %u, clean": func(target string) (string, bool) {
		return cleaned(decodedWithU(decoded(pathOf(target)))), true
	},
	"decode, NFKC, decode, clean": func(target string) (string, bool) {
		return cleaned(decoded(norm.NFKC.String(decoded(pathOf(target))))), true
	},
	"Windows: decode, best fit of all code pages, decode, clean": func(target string) (string, bool) {
		return cleaned(strings.ReplaceAll(decoded(bestFit.Replace(decoded(pathOf(target)))), `\`, "/")), true
	},
}

// bestFit is what conversions to a code page of Windows turn into the characters that matter here
// (https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WindowsBestFit/).
var bestFit = strings.NewReplacer("\u00a5", `\`, "\u00b4", "/", "\u066a", "%", "\u2044", "/", "\u20a9", `\`, "\u2215",
	"/", "\u2216", `\`,
	"\uff05", "%", "\uff0e", ".", "\uff0f", "/", "\uff3c", `\`)

func pathOf(target string) string { return before(target, "?") }

// before returns the text up to the first of the characters.
func before(text, characters string) string {
	if end := strings.IndexAny(text, characters); end >= 0 {
		return text[:end]
	}
	return text
}

// cleaned is what http.ServeMux does: path.Clean, but a slash at the end stays.
func cleaned(text string) string {
	clean := path.Clean("/" + text)
	if clean != "/" && (strings.HasSuffix(text, "/") || strings.HasSuffix(text, "/.") || strings.HasSuffix(text, "/..")) {
		return clean + "/"
	}
	return clean
}

// withoutDotSegments is remove_dot_segments of RFC 3986, section 5.2.4, for paths that start with a slash.
func withoutDotSegments(text string) string {
	var out []string
	segments := strings.Split(text, "/")[1:]
	for i, segment := range segments {
		if segment != "." && segment != ".." {
			out = append(out, segment)
			continue
		}
		if segment == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if i == len(segments)-1 {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func withoutParameters(text string) string {
	segments := strings.Split(text, "/")
	for i := range segments {
		segments[i] = before(segments[i], ";")
	}
	return strings.Join(segments, "/")
}

func slashesMerged(text string) string {
	for strings.Contains(text, "//") {
		text = strings.ReplaceAll(text, "//", "/")
	}
	return text
}

// decoded decodes every valid escape once and leaves the others, as lenient servers do.
func decoded(text string) string { return decodedBy(text, "%", 2) }

// decodedWithU also decodes %uXXXX, as IIS does.
func decodedWithU(text string) string {
	return decoded(decodedBy(decodedBy(text, "%u", 4), "%U", 4))
}

func decodedBy(text, mark string, digits int) string {
	parts := strings.Split(text, mark)
	var out strings.Builder
	out.WriteString(parts[0])
	for _, part := range parts[1:] {
		if len(part) >= digits {
			if value, err := strconv.ParseUint(part[:digits], 16, 16); err == nil {
				if digits == 2 {
					out.WriteByte(byte(value))
				} else {
					out.WriteRune(rune(value))
				}
				out.WriteString(part[digits:])
				continue
			}
		}
		out.WriteString(mark + part)
	}
	return out.String()
}

// overlongRead reads UTF-8 without checking that a character could have been written in fewer bytes.
func overlongRead(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		size, bits := 1, rune(text[i])
		switch b := text[i]; {
		case b >= 0xf0:
			size, bits = 4, rune(b&0x07)
		case b >= 0xe0:
			size, bits = 3, rune(b&0x0f)
		case b >= 0xc0:
			size, bits = 2, rune(b&0x1f)
		}
		if i+size > len(text) {
			size, bits = 1, utf8.RuneError
		}
		for _, b := range []byte(text[i+1 : i+size]) {
			bits = bits<<6 | rune(b&0x3f)
		}
		out.WriteRune(bits)
		i += size
	}
	return out.String()
}

// TestNormalizers shows that each normalizer falls for the attack that it stands for.
func TestNormalizers(t *testing.T) {
	t.Parallel()
	for name, targets := range map[string][]string{
		"net/http: decode, clean, reject bad escapes": {
			"/v1.0/event/../x", "/v1.0/event/%2e%2E/x", "/v1.0/event/..%2fx?q",
		},
		"decode, clean": {
			"/v1.0/event/%2e./x", "/v1.0/event/%zz/..%2F../x",
		},
		"clean, decode": {
			"/v1.0/event/../x", "/v1.0/event/%2e%2e/x",
		},
		"RFC 3986: remove dot segments, keep empty ones, decode": {
			"/v1.0/event/./../x", "/v1.0/event/..",
		},
		"decode twice, clean": {
			"/v1.0/event/%252e%252e/x",
		},
		"decode until nothing changes, clean": {
			"/v1.0/event/%25252e./x", "/v1.0/event/%%32%65./x",
		},
		"decode, split off query and fragment, clean": {
			"/v1.0/event/..%3fx", "/v1.0/event/..%23/x",
		},
		"nginx: merge slashes, decode, merge slashes, clean": {
			"/v1.0/event//../x", "/v1.0/event%2f/%2f../x",
		},
		"Tomcat: strip parameters, decode, clean": {
			"/v1.0/event/..;/x", "/v1.0/event/..;a=b/x",
		},
		"decode, strip parameters, clean": {
			"/v1.0/event/..;/x", "/v1.0/event/..%3ba/x",
		},
		"IIS: decode, backslash as slash, clean": {
			`/v1.0/event\..\x`, "/v1.0/event/..%5cx",
		},
		"decode, drop spaces, clean": {
			"/v1.0/event/..%20/x", "/v1.0/event/%20../x", "/v1.0/event/.%20./x",
		},
		"C strings: decode, end at NUL, clean": {
			"/v1.0/event/..%00x",
		},
		"forwarded in a request line: decode, end at CR or LF, clean": {
			"/v1.0/event/..%0dx", "/v1.0/event/..%0A",
		},
		"decode, drop control characters, clean": {
			"/v1.0/event/.%00./x", "/v1.0/event/..%7f/x",
		},
		"decode, drop what is not UTF-8, clean": {
			"/v1.0/event/..%ff/x", "/v1.0/event/.%c3./x",
		},
		"decode, read overlong UTF-8, clean": {
			"/v1.0/event/%c0%ae./x", "/v1.0/event/..%e0%80%afx", "/v1.0/event/..%c0%af", "/v1.0/event/%f0%80%80%ae./x",
		},
		"IIS: decode with %u, clean": {
			"/v1.0/event/%u002e%U002E/x", "/v1.0/event/..%u002fx",
		},
		"decode, decode with %u, clean": {
			"/v1.0/event/%25u002e./x", "/v1.0/event/%%75002e./x",
		},
		"decode, NFKC, decode, clean": {
			"/v1.0/event/%ef%bc%8e%EF%BC%8E/x", "/v1.0/event/..%ef%bc%8fx", "/v1.0/event/%e2%80%a5/x",
			"/v1.0/event/%ef%bc%852e./x",
		},
		"Windows: decode, best fit of all code pages, decode, clean": {
			"/v1.0/event/..%e2%88%95x", "/v1.0/event/x%c2%a5..%c2%a5..%c2%a5x", "/v1.0/event/%ef%bc%8e./x",
			"/v1.0/event/..%c2%b4x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			normalize := normalizers[name]
			require.NotNil(t, normalize)
			for _, target := range targets {
				_, escapes := escapeOf(normalize, "/v1.0/event/", target)
				require.True(t, escapes, target)
			}
			for _, target := range []string{
				"/v1.0/event/", "/v1.0/event/1", "/v1.0/event/b%C3%BCcher/x?scope=farm%3Acust", "/v1.0/event/...",
			} {
				path, escapes := escapeOf(normalize, "/v1.0/event/", target)
				require.False(t, escapes, "%s as %s", target, path)
			}
		})
	}
	require.Len(t, normalizers, 21)
}

// escapeOf returns the path that a normalizer makes of a request string and whether that path has left the prefix, as
// the normalizer sees that, or would leave it when it is opened.
func escapeOf(normalize func(string) (string, bool), prefix, requestString string) (path string, escapes bool) {
	path, ok := normalize(requestString)
	if !ok {
		return "", false
	}
	below, _ := normalize(prefix)
	return path, !strings.HasPrefix(path, below) || strings.Contains(path+"/", "/../")
}

// requireBelowPrefix fails if a normalizer takes an accepted request string out of a prefix that a policy allows, or if
// the end of it could be read as a request string. It returns false for one that is not accepted.
func requireBelowPrefix(t *testing.T, prefix, requestString string) bool {
	t.Helper()
	if !strings.HasPrefix(requestString, prefix) || CheckRequestString("US:myapp29", requestString) != nil {
		return false
	}
	for name, normalize := range normalizers {
		if path, escapes := escapeOf(normalize, prefix, requestString); escapes {
			t.Fatalf("accepted %q, which a server would serve as %q (%s)", requestString, path, name)
		}
	}
	for spelling := requestString; ; spelling = decoded(spelling) {
		if strings.LastIndex(strings.ToUpper(spelling), "/V1.0/") > 0 {
			t.Fatalf("accepted %q, whose signature would be valid for the end of %q", requestString, spelling)
		}
		if spelling == decoded(spelling) {
			return true
		}
	}
}

// fragments are what the generated request strings are made of, before they are encoded.
var fragments = []string{
	".", ".", "..", "..", "../", "/..", "/../", "./", "...", "..;/", "..;a=b/", ";", ";x", ".;./", "/", "/", "//", `\`,
	`..\`, "?", "?a=", "#",
	"\x00", ".\x00.", "\x7f", "..\x7f/", "\r", "\n", "\r\n", "\t", " ", "%", "%", "%2", "%zz", "&", "=", "+", "a", "x",
	"u002e", "e", "2e",
	"\xc0\xae", "\xc0\xaf", "\xe0\x80\xae", "\xe0\x80\xaf", "\xf0\x80\x80\xae", "\xff", "\xc3", "%u002e", "%u2215",
	"%U002F",
	"\u2215", "\uff0e", "\uff0e\uff0e", "\uff0f", "\uff3c", "\u2025", "\uff05", "\u00a5", "\u20a9", "\u2044", "ü", "検疫",
	"\u0085", "v1.0", "/v1.0/", "/V1.0/", "event", "scopes",
}

var policyPrefixes = []string{"/v1.0/event/", "/v1.0/task/1", "/v1.0/exceptions/whitelist/b%C3%BCcher/", "/app/"}

// generatedRequestString returns one of the prefixes and a random walk over the fragments, each character of them
// spelled at random.
func generatedRequestString(random *rand.Rand) (prefix, requestString string) {
	prefix = policyPrefixes[random.IntN(len(policyPrefixes))]
	var text strings.Builder
	text.WriteString(prefix)
	depth := random.IntN(4) // of the encoding, at most
	for range 1 + random.IntN(6) {
		for _, octet := range []byte(fragments[random.IntN(len(fragments))]) {
			text.WriteString(spelledAtRandom(random, octet, depth))
		}
	}
	return prefix, text.String()
}

func spelledAtRandom(random *rand.Rand, octet byte, depth int) string {
	printable := octet > ' ' && octet <= '~' && octet != '\\' && octet != '#'
	if !printable {
		depth = max(depth, 1)
	}
	if printable && random.IntN(8) < 5 {
		return string(octet)
	}
	switch random.IntN(40) {
	case 0:
		return fmt.Sprintf("%%u%04x", octet)
	case 1:
		return fmt.Sprintf("%%%02x%%%02X", 0xc0|octet>>6, 0x80|octet&0x3f)
	case 2:
		return fmt.Sprintf("%%e0%%%02x%%%02x", 0x80|octet>>6, 0x80|octet&0x3f)
	}
	spelled := string([]byte{octet})
	for range depth {
		if len(spelled) > 1 && random.IntN(3) == 0 {
			break
		}
		format := []string{"%%%02x", "%%%02X"}[random.IntN(2)]
		if at := random.IntN(len(spelled)); len(spelled) == 1 || random.IntN(3) == 0 {
			spelled = spelled[:at] + fmt.Sprintf(format, spelled[at]) + spelled[at+1:]
		} else {
			spelled = strings.ReplaceAll(spelled, "%", "%25")
		}
	}
	return spelled
}

// A client must not get past a policy that allows request strings by prefix, whatever server or proxy reads them.
func TestAcceptedRequestStringStaysBelowItsPrefix(t *testing.T) {
	t.Parallel()
	for name, seed := range map[string]uint64{"1": 1, "2": 2, "3": 3, "random": rand.Uint64()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			const count = 50_000
			random, accepted := rand.New(rand.NewPCG(seed, 0)), 0
			for range count {
				prefix, requestString := generatedRequestString(random)
				if requireBelowPrefix(t, prefix, requestString) {
					accepted++
				}
			}
			require.Greater(t, accepted, count/10, "too few were accepted to show anything")
		})
	}
}

// FuzzAcceptedRequestStringStaysBelowItsPrefix starts from generated strings.
func FuzzAcceptedRequestStringStaysBelowItsPrefix(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		prefix, requestString := generatedRequestString(random)
		f.Add(strings.TrimPrefix(requestString, prefix))
	}
	f.Fuzz(func(t *testing.T, rest string) {
		for _, prefix := range policyPrefixes {
			requireBelowPrefix(t, prefix, prefix+rest)
		}
	})
}
