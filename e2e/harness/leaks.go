package harness

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// leastPart is the number of consecutive characters of a secret that count as a leak.
const leastPart = 8

// leakSearch finds secrets in a text, in one pass for any number of them.
type leakSearch struct {
	heads   [1 << 18]bool // by slot: whether a needle may begin this way
	needles map[uint64][]needle
}

type needle struct{ form, text string }

// newLeakSearch searches for any part of the secrets that the tests made up, and of the signatures of assertions. It
// searches for the sandbox's own secrets as a whole, since logs may contain the words that they consist of.
func newLeakSearch() *leakSearch {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	s := &leakSearch{needles: map[uint64][]needle{}}
	s.add("the mark of a secret", Canary)
	for _, secret := range secrets.all {
		s.addSecret(secret)
	}
	for _, assertion := range standInAssertions() {
		s.addParts("an assertion", assertion[strings.LastIndexByte(assertion, '.')+1:], leastPart)
	}
	standIn := sandbox.Default()
	for _, secret := range []string{
		standIn.PAVEAPISecret,
		standIn.AvananSecretKey,
		standIn.InfinityAccessKey,
		standIn.CustomSecret,
		standIn.OAuthClientSecret,
		sandbox.PAVEWebhookToken,
	} {
		s.addParts("a secret", secret, len(secret))
	}
	return s
}

// addTokens is for texts that must not contain a token either: a JWT, or any part of a bearer token.
func (s *leakSearch) addTokens() {
	s.add("a JWT", "eyJhbGciOiJ")
	for _, token := range standInTokens() {
		s.addParts("a bearer token", token, leastPart)
	}
}

// addSecret adds all parts of a secret, and of it as it stands in forms and, before base64, in Basic.
func (s *leakSearch) addSecret(secret string) {
	s.addParts("a secret", secret, leastPart)
	if encoded := url.QueryEscape(secret); encoded != secret && utf8.ValidString(secret) {
		s.addParts("an encoded secret", encoded, leastPart)
		s.addParts("an encoded secret", strings.ReplaceAll(encoded, "+", "%20"), leastPart)
	}
}

// addParts adds all parts of a secret that have a given length, in every form. what says what is found.
func (s *leakSearch) addParts(what, secret string, length int) {
	for from := range len(secret) - length + 1 {
		part := secret[from : from+length]
		s.add(what, part)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				// Only the characters whose bits all come from the part, so that it is found anywhere in a longer text.
				encoded := alphabet.EncodeToString([]byte("xx"[:before] + part))
				s.add(what+" in base64", encoded[(8*before+5)/6:8*(before+length)/6])
			}
		}
		inHex := hex.EncodeToString([]byte(part))
		s.add(what+" in hex", inHex)
		s.add(what+" in hex", strings.ToUpper(inHex))
		percent := ""
		for i := 0; i < len(inHex); i += 2 {
			percent += "%" + inHex[i:i+2]
		}
		s.add(what+" URL-encoded", percent)
		s.add(what+" URL-encoded", strings.ToUpper(percent))
	}
}

// add adds a text of at least seven bytes.
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

// first returns the form of the first leak in a text and where it begins, or "".
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

// leaks reports secrets in what Vault wrote or answered, tokens in what it wrote, and what a crash leaves behind. It
// shows no secret. The server must be stopped.
func (v *Server) leaks() []string {
	var leaks []string
	search := newLeakSearch()
	if form, at := search.first(v.answers.bytes()); form != "" {
		// Do not show the text before it: that may be a token, which an answer may contain.
		leaks = append(leaks, fmt.Sprintf("%s in an answer of the API, at byte %d of all", form, at))
	}
	search.addTokens()
	searched := map[string]bool{}
	err := filepath.WalkDir(v.directory, func(path string, entry fs.DirEntry, err error) error {
		linked := path == v.auditFile() // the audit log of another node
		if path == v.Plugins() {
			return fs.SkipDir // the program, whose catalogue has published examples
		}
		if err != nil || (!entry.Type().IsRegular() && !linked) {
			if path == v.data() {
				return fs.SkipDir // encrypted by Vault
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
		leaks = append(leaks, "the search failed: "+err.Error())
	}
	if v.hung {
		leaks = append(leaks, "a process that did not stop and was killed")
	}
	if !searched[v.logFile()] || (!searched[v.auditFile()] && !v.quiet) {
		leaks = append(leaks, "the log or the audit log is missing or empty")
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

// crashes are Go's reports of a panic or another fatal error. Tests may not notice one, since Vault starts the plugin
// again and repeats the request.
func crashes(log []byte) []string {
	var found []string
	for _, word := range []string{"panic", "fatal error: "} {
		if at := bytes.Index(log, []byte(word)); at >= 0 {
			found = append(found, "a crash in the log: "+string(log[at:min(len(log), at+2000)]))
		}
	}
	return found
}
