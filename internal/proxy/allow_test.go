package proxy

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The notations of others match nothing but themselves, so they are refused, with what to write.
func TestPatternsThatNoCallMatchesAreRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ pattern, want string }{
		"a star": {
			"GET /v1/*",
			"has *, which is no wildcard here: write {name} for one segment, {name...} for all that follow, " +
				"or %2A for the character itself",
		},
		"two stars":           {"GET /v1/**", "has *, which is no wildcard here"},
		"a star in a segment": {"GET /logs-*/_search", "or %2A for the character itself"},
		"a colon": {
			"GET /v1/:id",
			"has /:, which is no wildcard here: write {name} for one segment, {name...} for all that follow, or %3A for the",
		},
		"angle brackets":       {"GET /v1/<id>", "has <, which is no wildcard here"},
		"a regular expression": {"GET /v1/[0-9]+", "has [, which is no wildcard here"},
		"an alternative":       {"GET /v1/a|b", "has |, which is no wildcard here"},
		"a backslash":          {`GET /v1/\d`, `has \, which is no wildcard here`},
		"an anchor":            {"GET /v1/a^", "has ^, which is no wildcard here"},
		"a query":              {"GET /v1/x?a=b", "has a query: patterns are for paths, and any query passes"},
		"a fragment":           {"GET /v1/x#a", "has a query"},
		"an encoded slash": {
			"GET /v1/a%2Fb", `no call can match the pattern "GET /v1/a%2Fb": the path has %2F, %5C, %25, %2E or ; in it`,
		},
		"an encoded percent":    {"GET /v1/100%25", "no call can match"},
		"a percent":             {"GET /v1/100%", "no call can match"},
		"an encoded dot":        {"GET /v1/%2e%2e/x", "no call can match"},
		"a control character":   {"GET /v1/%00", "no call can match"},
		"not UTF-8":             {"GET /v1/%ff", "no call can match"},
		"an encoded backslash":  {"GET /v1/%5Cx", "no call can match"},
		"a space that is a dot": {"GET /v1/.%20./x", "no call can match"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, newAllowList(false).add(row.pattern), row.want)
		})
	}
}

// What remains matches calls, and the sample is one of them.
func TestPatternsMatchAndHaveASample(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		pattern, sample string
		matched         []string
		not             []string
	}{
		"plain": {"GET /v1/x", "/v1/x", []string{"/v1/%78"}, []string{"/v1/x/", "/v1/xy", "/v1"}},
		"a wildcard": {
			"GET /v1/{id}", "/v1/0", []string{"/v1/*", "/v1/:id", `/v1/"`, "/v1/%22"}, []string{"/v1/a/b", "/v1/"},
		},
		"all that follow": {"GET /v1/{id...}", "/v1/0", []string{"/v1/a/b", "/v1/"}, []string{"/v2/a"}},
		"the end":         {"GET /v1/{$}", "/v1/", nil, []string{"/v1/a", "/v1"}},
		"a subtree":       {"GET /v1/", "/v1/", []string{"/v1/a/b"}, []string{"/v1"}},
		"a literal star": {
			"GET /logs-%2A/_search", "/logs-%2A/_search",
			[]string{"/logs-*/_search", "/logs-%2a/_search"},
			[]string{"/logs-1/_search"},
		},
		"a literal colon":          {"GET /v1/%3Aid", "/v1/%3Aid", []string{"/v1/:id"}, []string{"/v1/1"}},
		"a colon within a segment": {"GET /v1/models:run", "/v1/models:run", []string{"/v1/models%3Arun"}, nil},
		"parentheses":              {"GET /Users('x')", "/Users('x')", []string{"/Users(%27x%27)"}, nil},
		"not ASCII":                {"GET /ü/{id}", "/%C3%BC/0", []string{"/%c3%bc/1"}, nil},
		"a space":                  {"GET /a b", "/a%20b", nil, []string{"/a+b"}},
		"a comma":                  {"GET /a,b", "/a%2Cb", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := newAllowList(false)
			require.NoError(t, list.add(row.pattern))
			samples := (&Route{allow: list}).Samples()
			require.Equal(t, []Unsent{{http.MethodGet, row.sample}}, samples)
			require.Nil(t, checkPath(row.sample, false))
			for _, path := range append(row.matched, row.sample) {
				require.True(t, list.match(http.MethodGet, path), path)
				require.False(t, list.match(http.MethodPost, path), path)
			}
			for _, path := range row.not {
				require.False(t, list.match(http.MethodGet, path), path)
			}
		})
	}
}

// An encoded slash is a part of its segment, also in a path that net/url would encode in another way.
func TestEncodedSlashIsAPartOfItsSegment(t *testing.T) {
	t.Parallel()
	list := newAllowList(true)
	for _, pattern := range []string{"GET /projects/{id}/issues", "GET /projects/own%2Ffirst", "GET /a/b/{id}"} {
		require.NoError(t, list.add(pattern))
	}
	require.ErrorContains(t, list.add("GET /a%2F%2Fb"), "no call can match")
	for name, row := range map[string]struct {
		path string
		want bool
	}{
		"in a wildcard":               {"/projects/group%2Fproject/issues", true},
		"in small letters":            {"/projects/group%2fproject/issues", true},
		"two of them":                 {"/projects/a%2Fb%2Fc/issues", true},
		"beside another escape":       {"/projects/%C3%BC%2Fb/issues", true},
		"beside a raw quote":          {`/projects/a%2Fb"/issues`, true},
		"in a pattern":                {"/projects/own%2Ffirst", true},
		"in a pattern, small letters": {"/projects/own%2ffirst", true},
		"a slash for it":              {"/projects/own/first", false},
		"another than in the pattern": {"/projects/own%2Fsecond", false},
		"for a slash of the pattern":  {"/projects%2Fa/issues", false},
		"a slash in a wildcard":       {"/projects/a/b/issues", false},
		"for another":                 {"/a%2Fb/c", false},
		"for another, beside a quote": {`/a%2Fb/"`, false},
		"a quote alone":               {`/a/b/"`, true},
		"in the last segment":         {"/a/b/c%2Fd", true},
		"for the last slash":          {"/a/b%2Fc", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, list.match(http.MethodGet, row.path))
		})
	}
}
