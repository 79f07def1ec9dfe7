package proxy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The longest prefix that ends where a segment does is the route.
func TestLongestPrefixAtSegmentBoundaryIsTheRoute(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte("listen: 127.0.0.1:1\nroutes:\n  /a: &r {creds: m/creds/x/y, allow: [GET /]}\n"+
		"  /a/b: {creds: m/creds/x/y, allow: [GET /]}\n  /a/b/c: {creds: m/creds/x/y, allow: [GET /]}"))
	require.NoError(t, err)
	for name, row := range map[string]struct{ path, route, rest string }{
		"the prefix":             {"/a", "/a", ""},
		"and a slash":            {"/a/", "/a", "/"},
		"below it":               {"/a/x", "/a", "/x"},
		"a longer segment":       {"/a/bc/x", "/a", "/bc/x"},
		"a longer prefix":        {"/a/b/x", "/a/b", "/x"},
		"the longest":            {"/a/b/c/x", "/a/b/c", "/x"},
		"an empty segment":       {"/a/b//c", "/a/b", "//c"},
		"a longer first segment": {"/ab", "", ""},
		"the root":               {"/", "", ""},
		"nothing":                {"", "", ""},
		"another case":           {"/A/x", "", ""},
		"another spelling":       {"/%61/x", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route, rest := find(config.Routes, row.path)
			if row.route == "" {
				require.Nil(t, route)
				return
			}
			require.Equal(t, row.route, route.Name())
			require.Equal(t, row.rest, rest)
		})
	}
}

// A route for / has all paths that no other has.
func TestRootRouteHasTheOtherPaths(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte(whole))
	require.NoError(t, err)
	route, rest := find(config.Routes, "/v1/x")
	require.Equal(t, [2]string{"/", "/v1/x"}, [2]string{route.Name(), rest})
}
