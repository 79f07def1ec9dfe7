package harness

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Eight consecutive characters of a secret are found in every encoding, at any place in the encoded text, and six are not
// (in base64 a seventh may not be visible). The secret has characters for which the two alphabets of base64 differ.
func TestLeakSearchFindsEveryEncoding(t *testing.T) {
	t.Parallel()
	const secret = Canary + "k7~?>Qz2?~Xw9>?~pL4"
	search := newLeakSearch()
	search.addParts("a secret", secret, leastPart)
	percent := func(text string) string {
		encoded := ""
		for _, b := range []byte(text) {
			encoded += fmt.Sprintf("%%%02x", b)
		}
		return encoded
	}
	for _, test := range []struct {
		form   string
		encode func(string) string
	}{
		{"a secret", func(text string) string { return text }},
		{"a secret in base64", func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }},
		{"a secret in base64", func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }},
		{"a secret in hex", func(text string) string { return fmt.Sprintf("%x", text) }},
		{"a secret in hex", func(text string) string { return fmt.Sprintf("%X", text) }},
		{"a secret URL-encoded", percent},
		{"a secret URL-encoded", func(text string) string { return strings.ToUpper(percent(text)) }},
	} {
		for from := 1; from+leastPart <= len(secret); from++ {
			for _, around := range []string{"", " ", "..", "...", "=====", `{"": "`} {
				line := func(part string) []byte { return []byte("a line " + test.encode(around+part+around) + " of a log") }
				found, at := search.first(line(secret[from : from+leastPart]))
				require.Equal(t, test.form, found, "from %d on, after %q", from, around)
				require.GreaterOrEqual(t, at, len("a line "))
				found, _ = search.first(line(secret[from+1 : from+leastPart-1]))
				require.Empty(t, found, "from %d on, after %q", from, around)
			}
		}
	}

	// The output of base64, basenc --base64url, xxd -p and od -tx1 for a part with text before it.
	for text, form := range map[string]string{
		"fj8+UXoyP35Ydzk=":         "a secret in base64",
		"a2V5PX4_PlF6Mj9-WHc5":     "a secret in base64",
		"eT1+Pz5RejI/flh3OQ==":     "a secret in base64",
		"7e3f3e517a323f7e":         "a secret in hex",
		"%7E%3F%3E%51%7A%32%3F%7E": "a secret URL-encoded",
		"canary-":                  "", // the mark, with no secret after it
		"canary-s":                 "the mark of a secret",
		"":                         "",
	} {
		found, _ := search.first([]byte(text))
		require.Equal(t, form, found, text)
	}
	clean := bytes.Repeat([]byte(rand.Text()+" "+base64.StdEncoding.EncodeToString([]byte(rand.Text()))+"\n"), 1000)
	found, _ := search.first(clean)
	require.Empty(t, found)
	found, at := search.first(append(clean, secret[9:9+leastPart]...))
	require.Equal(t, "a secret", found)
	require.Equal(t, len(clean), at)

	// Part of the sandbox's own secret is also in the name of its program. Only the whole secret is a leak.
	found, _ = search.first([]byte("apisig-sandbox: sandbox-pave"))
	require.Empty(t, found)
	found, _ = search.first([]byte("sandbox-pave-secret"))
	require.Equal(t, "a secret", found)
}

// A secret or token planted in the files of a Vault, or a secret in its answers, is reported by its place and not shown. Nothing
// else is reported.
func TestLeaksAreReportedByPlace(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.e30"
	secret, bearer := NewSecret(), portalToken(t)
	for _, test := range []struct{ file, content, want string }{
		{"vault.log", "a line\n", ""},
		{"vault.log", "a line with " + secret[20:30], "a secret in vault.log after: a line with "},
		{"vault.log", "a line with " + jwt, "a JWT in vault.log after: a line with "},
		{"vault.log", "a line with " + bearer, "a bearer token in vault.log after: a line with "},
		{"vault.log", "a line with " + bearer[30:38] + ".", "a bearer token in vault.log after: a line with "},
		{"audit.log", fmt.Sprintf("a line with %x", bearer), "a bearer token in hex in audit.log after: a line with "},
		{"audit.log", "a line with " + base64.StdEncoding.EncodeToString([]byte(bearer)), "a bearer token in base64 in audit.log after: a line with "},
		{"vault.log", "panic: at the disco", "a crash in the log: panic: at the disco"},
		{"vault.log", "a line: fatal error: sync", "a crash in the log: fatal error: sync"},
		{"vault.log", "", "the log or the audit log is missing or empty"},
		{"audit.log", fmt.Sprintf("a line with %x", secret), "a secret in hex in audit.log after: a line with "},
		{"audit.log", "", "the log or the audit log is missing or empty"},
		{"home/.deep/any", "here: " + secret, "the mark of a secret in any after: here: "},
		{"home/core.123", "", "a core file"},
		{"home/core", "", "a core file"},
		{"home/core.go", "panic", ""},
		{"data/raft.db", secret, ""},
		{"answer", jwt + bearer, ""},
		{"answer", "here: " + secret, "the mark of a secret in an answer of the API, at byte 6 of all"},
	} {
		v := &Server{directory: t.TempDir(), answers: &recorder{}}
		files := map[string]string{"vault.log": "a line\n", "audit.log": "a line\n"}
		if files[test.file] = test.content; test.file == "answer" {
			_, _ = v.answers.Write([]byte(test.content))
			delete(files, test.file)
		}
		for file, content := range files {
			path := filepath.Join(v.directory, file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		require.Equal(t, want, v.leaks(), test.file)
	}
}

// portalToken logs in at a stand-in for the Infinity Portal and returns the token.
func portalToken(t *testing.T) string {
	t.Helper()
	standIn, url := startSandbox(t)
	resp, err := http.Post(url+"/auth/external", "application/json", strings.NewReader(`{"clientId":"sandbox-client","accessKey":"`+InfinitySecret+`"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, standIn.InfinityTokens(), 1)
	return standIn.InfinityTokens()[0]
}
