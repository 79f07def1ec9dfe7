package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Every secret of the tests begins with canary, by which anyone finds it; what follows is found in part and encoded, too.
const canary = "canary-"

// secrets are all that the tests made up.
var secrets struct {
	mu  sync.Mutex
	all []string
}

// newSecret makes up a secret, which every search knows from then on.
func newSecret() string {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	secrets.all = append(secrets.all, canary+rand.Text())
	return secrets.all[len(secrets.all)-1]
}

// leastPart is how many characters in a row of a secret are a leak.
const leastPart = 8

// leakSearch finds secrets in any text, in one pass, whatever their number.
type leakSearch struct {
	heads   [1 << 18]bool // by slot: whether some needle may begin so
	needles map[uint64][]needle
}

type needle struct{ form, text string }

// newLeakSearch searches for any part of what the tests made up, and for the whole of the sandbox's own secrets, whose
// parts are words that a log may hold.
func newLeakSearch() *leakSearch {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	s := &leakSearch{needles: map[uint64][]needle{}}
	s.add("the mark of a secret", canary)
	for _, secret := range secrets.all {
		s.addParts(secret, leastPart)
	}
	for _, secret := range []string{sandbox.Default().PAVEAPISecret, sandbox.Default().AvananSecretKey} {
		s.addParts(secret, len(secret))
	}
	return s
}

// addJWTs is for texts that must hold none of these either.
func (s *leakSearch) addJWTs() { s.add("a JWT", "eyJhbGciOiJ") }

// addParts adds all parts of a secret that have a given length, in every form.
func (s *leakSearch) addParts(secret string, length int) {
	for from := range len(secret) - length + 1 {
		part := secret[from : from+length]
		s.add("a secret", part)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				// The characters of the encoding that hold bits of the part alone, wherever it stands in a longer text.
				encoded := alphabet.EncodeToString([]byte("xx"[:before] + part))
				s.add("a secret in base64", encoded[(8*before+5)/6:8*(before+length)/6])
			}
		}
		inHex := hex.EncodeToString([]byte(part))
		s.add("a secret in hex", inHex)
		s.add("a secret in hex", strings.ToUpper(inHex))
		percent := ""
		for i := 0; i < len(inHex); i += 2 {
			percent += "%" + inHex[i:i+2]
		}
		s.add("a secret URL-encoded", percent)
		s.add("a secret URL-encoded", strings.ToUpper(percent))
	}
}

// add takes texts of seven bytes and more.
func (s *leakSearch) add(form, text string) {
	head := headOf([]byte(text + "\x00"))
	if added := (needle{form, text}); !slices.Contains(s.needles[head], added) {
		s.needles[head] = append(s.needles[head], added)
		s.heads[slotOf(head)] = true
	}
}

// headOf is the first seven of eight bytes: as many as the shortest needle has.
func headOf(content []byte) uint64 { return binary.LittleEndian.Uint64(content) << 8 }

func slotOf(head uint64) uint64 { return head * 0x9e3779b97f4a7c15 >> 46 }

// first says in which form the first leak of a text is and where it begins, or "".
func (s *leakSearch) first(content []byte) (form string, at int) {
	for at := range len(content) - 7 {
		head := headOf(content[at:])
		if !s.heads[slotOf(head)] {
			continue
		}
		for _, needle := range s.needles[head] {
			if bytes.HasPrefix(content[at:], []byte(needle.text)) {
				return needle.form, at
			}
		}
	}
	return "", 0
}

var coreFile = regexp.MustCompile(`^core(\.\d+)?$`)

// leaks names what is where it should not be, showing none of it: a secret in what Vault wrote or answered, a JWT in what
// it wrote; and what a crash leaves behind. The server is stopped.
func (v *vaultServer) leaks() []string {
	var leaks []string
	search := newLeakSearch()
	if form, at := search.first(v.answers.bytes()); form != "" {
		// What stands before it may be a token, which an answer may hold.
		leaks = append(leaks, fmt.Sprintf("%s in an answer of the API, at byte %d of all", form, at))
	}
	search.addJWTs()
	searched := map[string]bool{}
	err := filepath.WalkDir(v.directory, func(path string, entry fs.DirEntry, err error) error {
		if linked := path == v.auditFile(); err != nil || (!entry.Type().IsRegular() && !linked) { // one for a whole cluster
			if path == v.data() {
				return fs.SkipDir // sealed by Vault itself
			}
			return err
		}
		content, err := os.ReadFile(path)
		searched[path] = len(content) > 0
		if form, at := search.first(content); form != "" {
			leaks = append(leaks, fmt.Sprintf("%s in %s after: %s", form, entry.Name(), preceding(content, at)))
		} else if path == v.logFile() {
			leaks = append(leaks, crashes(content)...)
		}
		if coreFile.MatchString(entry.Name()) {
			leaks = append(leaks, "a core file")
		}
		return err
	})
	if err != nil {
		leaks = append(leaks, "not everything could be searched: "+err.Error())
	}
	if !searched[v.logFile()] || (!searched[v.auditFile()] && !v.isOpenBao && !v.quiet) {
		leaks = append(leaks, "the log or the audit log is not there")
	}
	here, _ := os.ReadDir(".") // where Vault and the plugin run
	for _, entry := range here {
		if coreFile.MatchString(entry.Name()) {
			leaks = append(leaks, "a core file")
		}
	}
	return leaks
}

func preceding(content []byte, at int) string { return string(content[max(0, at-200):at]) }

// crashes are what Go says when a process ends by a fault of its own: Vault starts a plugin again and asks it once more, so
// that no test may notice.
func crashes(log []byte) []string {
	var found []string
	for _, word := range []string{"panic", "fatal error: "} {
		if at := bytes.Index(log, []byte(word)); at >= 0 {
			found = append(found, "a crash in the log: "+string(log[at:min(len(log), at+2000)]))
		}
	}
	return found
}

// stopAtEnd has the server stopped when a test ends, and what it leaves behind searched.
func (v *vaultServer) stopAtEnd(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		v.stop()
		require.Empty(t, v.leaks())
	})
}

// Eight characters in a row of a secret are found in every form, wherever they stand in the text that was encoded, and
// six are not (base64 may not tell a seventh). The secret has characters for which the two alphabets of base64 differ.
func TestLeakSearch(t *testing.T) {
	t.Parallel()
	const secret = canary + "k7~?>Qz2?~Xw9>?~pL4"
	search := newLeakSearch()
	search.addParts(secret, leastPart)
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

	// What base64, basenc --base64url, xxd -p and od -tx1 make of a part, with text before it.
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

	// A part of the sandbox's own is in the name of its program; the whole is nowhere.
	found, _ = search.first([]byte("apisig-sandbox: sandbox-pave"))
	require.Empty(t, found)
	found, _ = search.first([]byte("sandbox-pave-secret"))
	require.Equal(t, "a secret", found)
}

// What is planted in what a Vault left behind is named by its place, and not shown; what is as it should be is not named.
func TestLeaksAreNamed(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.e30"
	secret := newSecret()
	for _, test := range []struct{ file, content, want string }{
		{"vault.log", "a line\n", ""},
		{"vault.log", "a line with " + secret[20:30], "a secret in vault.log after: a line with "},
		{"vault.log", "a line with " + jwt, "a JWT in vault.log after: a line with "},
		{"vault.log", "panic: at the disco", "a crash in the log: panic: at the disco"},
		{"vault.log", "a line: fatal error: sync", "a crash in the log: fatal error: sync"},
		{"vault.log", "", "the log or the audit log is not there"},
		{"audit.log", fmt.Sprintf("a line with %x", secret), "a secret in hex in audit.log after: a line with "},
		{"audit.log", "", "the log or the audit log is not there"},
		{"home/.deep/any", "here: " + secret, "the mark of a secret in any after: here: "},
		{"home/core.123", "", "a core file"},
		{"home/core", "", "a core file"},
		{"home/core.go", "panic", ""},
		{"data/raft.db", secret, ""},
		{"answer", jwt, ""},
		{"answer", "here: " + secret, "the mark of a secret in an answer of the API, at byte 6 of all"},
	} {
		v := &vaultServer{directory: t.TempDir(), answers: &recorder{}}
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
