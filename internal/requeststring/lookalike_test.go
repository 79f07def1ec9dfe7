package requeststring_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// special are the characters of a path that servers act on once they have decoded it.
const special = `./\%`

// bestFits are the characters outside ASCII that one of Microsoft's tables turns into a special one:
// https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WindowsBestFit/, the section WCTABLE of all 15 files.
var bestFits = map[rune]string{
	0x00a5: `\`, // 932
	0x00b4: "/", // 1253
	0x066a: "%", // 1250, 1252, 1254
	0x2044: "/", // 1250, 1252, 1254
	0x20a9: `\`, // 949, 1361
	0x2215: "/", // 1250, 1252, 1254
	0x2216: `\`, // 1250, 1252, 1254
	0xff05: "%", // all single-byte ones, as the next three
	0xff0e: ".", 0xff0f: "/", 0xff3c: `\`,
}

// The list has every character that becomes a special one, and no other.
func TestLookalikesAreComplete(t *testing.T) {
	t.Parallel()
	const fault = "has a character in its path that some servers turn into"
	refused := 0
	for r := rune(utf8.RuneSelf); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		text := string(r)
		err := requeststring.Check("/a"+url.PathEscape(text)+"b", nil)
		if !strings.ContainsAny(norm.NFKC.String(text), special) && bestFits[r] == "" {
			require.NoError(t, err, "%U", r)
			continue
		}
		refused++
		require.ErrorContains(t, err, fault, "%U", r)
		twice := "/a/" + strings.ReplaceAll(url.PathEscape(text), "%", "%25") + "?b"
		require.ErrorContains(t, requeststring.Check(twice, nil), fault, "%U", r)
		require.NoError(t, requeststring.Check("/a?b="+url.PathEscape(text), nil), "%U in the query", r)
	}
	require.Equal(t, 47, refused)
}

// Full-width dots and slashes, a leader of two dots, and a yen sign that becomes a backslash.
func TestLookalikesInPaths(t *testing.T) {
	t.Parallel()
	for name, requestString := range map[string]string{
		"full-width dots":         "/v1/event/%EF%BC%8E%EF%BC%8E/admin",
		"a full-width slash":      "/v1/event/..%EF%BC%8Fadmin",
		"a leader of two dots":    "/v1/event/%E2%80%A5/admin",
		"a full-width percent":    "/v1/event/%EF%BC%852e%EF%BC%852e/admin",
		"a full-width backslash":  "/v1/event/x%EF%BC%BC..%EF%BC%BCadmin",
		"a division slash":        "/v1/event/..%E2%88%95admin",
		"a yen sign":              "/v1/event/..%C2%A5admin",
		"encoded twice":           "/v1/event/%25EF%25BC%258E./admin",
		"in the last segment too": "/v1/event/a%E2%80%A6",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, requeststring.Check(requestString, nil),
				`has a character in its path that some servers turn into ., /, \ or %, such as a full-width dot: leave it out`)
		})
	}
}
