package scheme

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The expected values are Python's: pieces split at &, each at its first =, and urllib.parse.unquote_to_bytes of each
// part, with a space in place of +; sorted() for the pairs.
func TestDecodedQueries(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct{ decoded, pairs, bare string }{
		"":                {"", "", ""},
		"&&":              {"", "", ""},
		"b=2&&a=1&":       {"b=2&a=1", "a=1&b=2", "a1b2"},
		"a":               {"a", "a=", "a"},
		"a=":              {"a=", "a=", "a"},
		"=v":              {"=v", "=v", "v"},
		"a=b=c":           {"a=b=c", "a=b=c", "ab=c"},
		"a+b=c+d":         {"a b=c d", "a b=c d", "a bc d"},
		"x=10003%2C10004": {"x=10003,10004", "x=10003,10004", "x10003,10004"},
		"a=1%26b=2":       {"a=1&b=2", "a=1&b=2", "a1&b=2"},
		"a%3D1=2":         {"a=1=2", "a=1=2", "a=12"},
		"a=%zz&b=%4":      {"a=%zz&b=%4", "a=%zz&b=%4", "a%zzb%4"},
		"a=%E3%81%82%00":  {"a=\u3042\x00", "a=\u3042\x00", "a\u3042\x00"},
		"b=2&a=2&a=10&a":  {"b=2&a=2&a=10&a", "a=&a=10&a=2&b=2", "aa10a2b2"},
		"%62=1&a=1":       {"b=1&a=1", "a=1&b=1", "a1b1"},
		"a=%2B%2525":      {"a=+%25", "a=+%25", "a+%25"},
	} {
		t.Run(fmt.Sprintf("%q", query), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.decoded, decodedQuery(query))
			require.Equal(t, want.pairs, sortedPairs(query, "=", "&"))
			require.Equal(t, want.bare, sortedPairs(query, "", ""))
		})
	}
}

// The expected values are Python's: bytes.fromhex and base64.b64decode with validate=True, and nothing where they fail.
func TestDecodedBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"":         {"", ""},
		"6a4B":     {"jK", "\xe9\xae\x01"},
		"abc":      {"", ""},
		"zz":       {"", ""},
		"YQ==":     {"", "a"},
		"YQ":       {"", ""},
		"YR==":     {"", ""}, // bits after the end, which RFC 4648 lets a decoder refuse
		"YWJj\n":   {"", ""},
		"6 1":      {"", ""},
		"-_-_":     {"", ""},
		"deadbeef": {"\xde\xad\xbe\xef", "u\xe6\x9dm\xe7\x9f"},
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, [2]string{unhex(text), unbase64(text)})
		})
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][3]string{
		"":               {"", "", ""},
		"/":              {"", "", ""},
		"/a":             {"a", "", ""},
		"/a/b%2Fc/d?e/f": {"a", "b%2Fc", "d"},
		"/a//d/":         {"a", "", "d"},
		"/a/b?/c":        {"a", "b", ""},
		"a/b":            {"a", "b", ""},
		"?/a":            {"", "", ""},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, [3]string{segmentOf(path, 1), segmentOf(path, 2), segmentOf(path, 3)})
		})
	}
	require.Equal(t, "p", segmentOf("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", 16))
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://API.Example":            "api.example",
		"https://api.example:443/v1":     "api.example",
		"https://api.example:80":         "api.example:80",
		"https://api.example:8443/a:443": "api.example:8443",
		"http://localhost:80":            "localhost",
		"http://127.0.0.1:443":           "127.0.0.1:443",
		"http://[::1]:8400":              "[::1]:8400",
		"https://api.example:":           "api.example",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, checkBaseURL(address))
			require.Equal(t, want, hostOf(cleanAddress(address)))
		})
	}
}

// What a sample of a field is after every function that a request passes through.
func TestSortedCharacters(t *testing.T) {
	t.Parallel()
	require.Equal(t, "12ab", sortedCharacters("b=2&A=1"))
	require.Equal(t, sortedCharacters("a%2541"), sortedCharacters("A+a"))
	require.Empty(t, sortedCharacters("&=%20 \n"))
}

// json escapes nothing of an encoding, so its result is hardly longer. It does of what was decoded again.
func TestBoundOfJSON(t *testing.T) {
	t.Parallel()
	for expression, fits := range map[string]bool{
		`json(percent_encode(body))`:                true,
		`json(base64(percent_encode(body)))`:        true,
		`json(percent_encode(body) + "")`:           false,
		`json(decoded_query(percent_encode(body)))`: false,
		`json(json(hex(bytes(body))))`:              true, // whose quotes are escaped
		`json(json(json(body)))`:                    false,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(`secrets: {key: {}}
request: {body: {pattern: '(?s).+', max: 4096}}
let: {large: '` + expression + `'}
headers: {X-Sig: 'hex(hmac_sha256(key, body))'}
ttl: 60s
examples: [{secrets: {key: a}, request: {body: b}, want: {X-Sig: x}}]
`)
			if fits {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "can have more than 65536 bytes")
		})
	}
}

// The bounds that are written down for decoded queries are not exceeded, and those of sorted_pairs are reached.
func FuzzDecodedQuery(f *testing.F) {
	f.Add("a=1%26b=2&c", "=", "&")
	f.Add("&&a+b", "0123456789abcdef", "")
	f.Fuzz(func(t *testing.T, query, a, b string) {
		require.LessOrEqual(t, len(decodedQuery(query)), len(query))
		require.LessOrEqual(t, len(sortedPairs(query, a, b)), (len(query)+1)*(1+len(a)+len(b)))
		require.LessOrEqual(t, len(unhex(query))+len(unbase64(query)), 2*len(query))
		require.NotContains(t, segmentOf(query, 2), "/")
		if !strings.ContainsAny(query, "%+") {
			require.Equal(t, decodedQuery(query), decodedQuery(decodedQuery(query)))
		}
	})
}
