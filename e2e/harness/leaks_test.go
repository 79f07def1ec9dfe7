package harness

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Eight consecutive characters of a secret are found in every encoding, at any place in the encoded text, and six are
// not (in base64 a seventh may not be visible). The secret has characters for which the two alphabets of base64 differ.
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
	for name, test := range map[string]struct {
		form   string
		encode func(string) string
	}{
		"as it is": {"a secret", func(text string) string { return text }},
		"base64": {"a secret in base64", func(text string) string {
			return base64.StdEncoding.EncodeToString([]byte(text))
		}},
		"base64 for URLs": {"a secret in base64", func(text string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(text))
		}},
		"hex":                 {"a secret in hex", func(text string) string { return fmt.Sprintf("%x", text) }},
		"upper-case hex":      {"a secret in hex", func(text string) string { return fmt.Sprintf("%X", text) }},
		"percent":             {"a secret URL-encoded", percent},
		"percent, upper case": {"a secret URL-encoded", func(text string) string { return strings.ToUpper(percent(text)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for from := 1; from+leastPart <= len(secret); from++ {
				for _, around := range []string{"", " ", "..", "...", "=====", `{"": "`} {
					line := func(part string) []byte {
						return []byte("a line " + test.encode(around+part+around) + " of a log")
					}
					found, at := search.first(line(secret[from : from+leastPart]))
					require.Equal(t, test.form, found, "from %d on, after %q", from, around)
					require.GreaterOrEqual(t, at, len("a line "))
					found, _ = search.first(line(secret[from+1 : from+leastPart-1]))
					require.Empty(t, found, "from %d on, after %q", from, around)
				}
			}
		})
	}

	for name, test := range map[string]struct{ text, form string }{
		"base64 of a part with text before it":             {"fj8+UXoyP35Ydzk=", "a secret in base64"},
		"basenc --base64url of a part with text before it": {"a2V5PX4_PlF6Mj9-WHc5", "a secret in base64"},
		"base64 of a part with more text before it":        {"eT1+Pz5RejI/flh3OQ==", "a secret in base64"},
		"xxd -p of a part":                                 {"7e3f3e517a323f7e", "a secret in hex"},
		"od -tx1 of a part":                                {"%7E%3F%3E%51%7A%32%3F%7E", "a secret URL-encoded"},
		"the mark alone":                                   {"canary-", ""},
		"the mark and a letter":                            {"canary-s", "the mark of a secret"},
		"no text":                                          {"", ""},
		// Part of the sandbox's own secret is also in the name of its program. Only the whole secret is a leak.
		"the sandbox's name":   {"apisig-sandbox: sandbox-pave", ""},
		"the sandbox's secret": {"sandbox-pave-secret", "a secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _ := search.first([]byte(test.text))
			require.Equal(t, test.form, found)
		})
	}
	clean := bytes.Repeat([]byte(rand.Text()+" "+base64.StdEncoding.EncodeToString([]byte(rand.Text()))+"\n"), 1000)
	found, _ := search.first(clean)
	require.Empty(t, found)
	found, at := search.first(append(clean, secret[9:9+leastPart]...))
	require.Equal(t, "a secret", found)
	require.Equal(t, len(clean), at)
}

// What logins make of a secret is found, at any place, and of it as little as eight characters. Python's urllib and
// base64 made the texts.
func TestLeakSearchFindsWhatLoginsSend(t *testing.T) {
	t.Parallel()
	standIn, address := startSandbox(t)
	signature := rand.Text() + "-_" + rand.Text()
	resp, err := http.PostForm(address+"/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {"eyJhbGciOiJFUzI1NiJ9.e30." + signature},
	})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Len(t, standIn.OAuthAssertions(), 1)
	search := newLeakSearch()
	search.addSecret(Canary + `k7/Qz 2Xw+9"pL4`)
	for name, test := range map[string]struct{ text, form string }{
		"Basic":                      {"aWQ6azcvUXogMlh3KzkicEw0", "a secret in base64"},
		"Basic, percent-encoded":     {"aWQ6Pz9rNy9ReiAyWHcrOSJwTDQ%3D", "a secret in base64"},
		"Basic of an encoded secret": {"aWQ6eiUyMDJYdyUyQjklMjI=", "an encoded secret in base64"},
		"Basic of one for forms":     {"aWQ6UXorMlh3JTJCOSUyMg==", "an encoded secret in base64"},
		"a form":                     {"client_secret=z+2Xw%2B9", "an encoded secret"},
		"a query":                    {"client_secret=z%202Xw%2", "an encoded secret"},
		"JSON":                       {`{"secret":"7/Qz 2Xw+9\"pL4"}`, "a secret"},
		"the signature of a login":   {"." + signature[:10], "an assertion"},
		"the end of one":             {signature[len(signature)-leastPart:], "an assertion"},
		"one in base64": {
			base64.StdEncoding.EncodeToString([]byte("a." + signature)), "an assertion in base64",
		},
		"seven characters of a query": {"%202Xw%", ""},
		"the start of any assertion":  {"eyJhbGciOiJFUzI1NiJ9.e30.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _ := search.first([]byte("sent " + test.text + " to it"))
			require.Equal(t, test.form, found)
		})
	}
}

// A secret or token planted in the files of a Vault, or a secret in its answers, is reported by its place and not
// shown. Nothing else is reported.
func TestLeaksAreReportedByPlace(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.e30"
	secret, bearer, access := NewSecret(), portalToken(t), accessToken(t)
	line := func(planted string) string { return "a line with " + planted }
	const after = " after: a line with "
	inHex, inBase64 := fmt.Sprintf("%x", bearer), base64.StdEncoding.EncodeToString([]byte(bearer))
	for name, test := range map[string]struct{ file, content, want string }{
		"nothing":                 {"vault.log", "a line\n", ""},
		"part of a secret":        {"vault.log", line(secret[20:30]), "a secret in vault.log" + after},
		"a JWT":                   {"vault.log", line(jwt), "a JWT in vault.log" + after},
		"a bearer token":          {"vault.log", line(bearer), "a bearer token in vault.log" + after},
		"part of a bearer token":  {"vault.log", line(bearer[30:38] + "."), "a bearer token in vault.log" + after},
		"part of another's token": {"vault.log", line(access[30:38] + "."), "a bearer token in vault.log" + after},
		"a bearer token in hex":   {"audit.log", line(inHex), "a bearer token in hex in audit.log" + after},
		"a bearer token, encoded": {"audit.log", line(inBase64), "a bearer token in base64 in audit.log" + after},
		"a panic":                 {"vault.log", "panic: at the disco", "a crash in the log: panic: at the disco"},
		"a fatal error":           {"vault.log", "a line: fatal error: sync", "a crash in the log: fatal error: sync"},
		"an empty log":            {"vault.log", "", "the log or the audit log is missing or empty"},
		"a secret in hex":         {"audit.log", line(fmt.Sprintf("%x", secret)), "a secret in hex in audit.log" + after},
		"an empty audit log":      {"audit.log", "", "the log or the audit log is missing or empty"},
		"a secret deep below":     {"home/.deep/any", "here: " + secret, "the mark of a secret in any after: here: "},
		"a core file by process":  {"home/core.123", "", "a core file"},
		"a core file":             {"home/core", "", "a core file"},
		"a file like a core file": {"home/core.go", "panic", ""},
		"storage":                 {"data/raft.db", secret, ""},
		"tokens in an answer":     {"answer", jwt + bearer, ""},
		"a secret in an answer": {
			"answer", "here: " + secret,
			"the mark of a secret in an answer of the API, at byte 6 of all",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			require.Equal(t, want, v.leaks())
		})
	}
}

// accessToken logs in at a stand-in for an OAuth 2.0 server and returns the token.
func accessToken(t *testing.T) string {
	t.Helper()
	standIn, address := startSandbox(t)
	resp, err := http.PostForm(address+"/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {OAuthClient}, "client_secret": {OAuthSecret},
	})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, standIn.OAuthTokens(), 1)
	return standIn.OAuthTokens()[0]
}

// portalToken logs in at a stand-in for the Infinity Portal and returns the token.
func portalToken(t *testing.T) string {
	t.Helper()
	standIn, url := startSandbox(t)
	key := strings.NewReader(`{"clientId":"sandbox-client","accessKey":"` + InfinitySecret + `"}`)
	resp, err := http.Post(url+"/auth/external", "application/json", key)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, standIn.InfinityTokens(), 1)
	return standIn.InfinityTokens()[0]
}
