package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenTakesOnlyLoopback(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		args []string
		want string // "": refused
	}{
		"the default":     {nil, "127.0.0.1:8400"},
		"IPv6":            {[]string{"-listen", "[::1]:0"}, "[::1]:0"},
		"a port alone":    {[]string{"-listen", ":8400"}, ""},
		"everywhere":      {[]string{"-listen", "0.0.0.0:8400"}, ""},
		"everywhere, v6":  {[]string{"-listen", "[::]:8400"}, ""},
		"another address": {[]string{"-listen", "192.0.2.1:8400"}, ""},
		"a name":          {[]string{"-listen", "localhost:8400"}, ""},
		"no port":         {[]string{"-listen", "127.0.0.1"}, ""},
		"nothing":         {[]string{"-listen", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, err := parse(row.args)
			if row.want == "" {
				require.ErrorContains(t, err, "-listen takes a loopback address")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, address.String())
		})
	}
}
