package requeststring_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

func ExampleCheck() {
	fmt.Println(requeststring.Check("/v1.0/event/1?scope=farm%3Acust", nil))
	fmt.Println(requeststring.Check("/v1.0/event/%2e%2e/action", nil))
	// Output:
	// <nil>
	// has a . or .. segment in its path
}

func ExampleCheckWithCommas() {
	const target = "/cgi/com/ptz.cgi?continuouspantiltmove=-25,0"
	fmt.Println(requeststring.Check(target, nil))
	fmt.Println(requeststring.CheckWithCommas(target, nil))
	fmt.Println(requeststring.CheckWithCommas("/a,b/../c", nil))
	// Output:
	// contains a comma: write it as %2C, and send it that way
	// <nil>
	// has a . or .. segment in its path
}

// Package avanan has the tables of what is accepted and what is not.
func TestCheckVisitsEverySpelling(t *testing.T) {
	t.Parallel()
	var spellings []string
	require.NoError(t, requeststring.Check("/a%252Fb", func(spelling string) error {
		spellings = append(spellings, spelling)
		return nil
	}))
	require.Equal(t, []string{"/a%252Fb", "/a%2Fb", "/a/b"}, spellings)
	refusal := errors.New("is refused")
	require.ErrorIs(t, requeststring.Check("/a", func(string) error { return refusal }), refusal)
}

// The expected values are Python's: urllib.parse.unquote_to_bytes(text), which leaves what is no escape.
func TestPercentDecoded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":              "",
		"/a%2Fb%2fc":    "/a/b/c",
		"%C3%A9%00+":    "\u00e9\x00+",
		"%252e":         "%2e",
		"%":             "%",
		"a%4":           "a%4",
		"%zz%4g%%41%u0": "%zz%4g%A%u0",
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, requeststring.PercentDecoded(text))
		})
	}
}

// The path of an accepted string is one that cleaning does not change.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"/v1.0/scopes", "/a/../b", "/a%2e%2e/b?c", "//", "/a/", "/%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if requeststring.Check(text, nil) != nil {
			return
		}
		before, _, _ := strings.Cut(text, "?")
		require.Equal(t, strings.TrimSuffix(before, "/"), strings.TrimSuffix(path.Clean(before), "/"))
	})
}
