package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/client"
)

// fileToken is what a token's file has.
type fileToken struct {
	text  string
	wraps bool // text is for Vault to unwrap: that gives the token
}

// tokenForm is what every token looks like. Vault's own are letters, digits, dots, dashes and underscores.
var tokenForm = regexp.MustCompile(`^[!-~]+$`)

// parseToken reads a token's file. Its errors quote nothing of it.
func parseToken(content []byte) (fileToken, error) {
	fault := func(text string) (fileToken, error) {
		return fileToken{}, &client.Failure{Reason: "vault.token_file " + text}
	}
	text := strings.TrimSpace(string(content))
	switch {
	case strings.HasPrefix(text, "\xef\xbb\xbf"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return fault("begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII")
	case text == "":
		return fault("is missing, unreadable or empty")
	case text[0] == '{' || text[0] == '"':
		return parseWrapped(text, fault)
	case !tokenForm.MatchString(text):
		return fault("must have a token and nothing else")
	}
	return fileToken{text: text}, nil
}

// parseWrapped reads what a sink of Agent's writes with wrap_ttl, the JSON of an api.SecretWrapInfo.
func parseWrapped(text string, fault func(string) (fileToken, error)) (fileToken, error) {
	var found struct {
		Token            string `json:"token"`
		CreationPath     string `json:"creation_path"`
		EncryptedPayload []byte `json:"encrypted_payload"`
	}
	err := json.Unmarshal([]byte(text), &found)
	switch {
	case err == nil && len(found.EncryptedPayload) > 0:
		return fault("is encrypted: use a sink without dh_type; wrap_ttl is supported")
	case err != nil || found.CreationPath == "" || !tokenForm.MatchString(found.Token):
		return fault("is JSON, but not what a sink of Agent's with wrap_ttl writes: write the token alone, as " +
			"vault token create -field=token prints it")
	}
	return fileToken{found.Token, true}, nil
}

// errNoToken is that of a token's file that has none yet.
var errNoToken = errors.New("vault.token_file is missing, unreadable or empty: no call is signed until it has a token")

// readToken reads a token's file; "" for none. Its error is errNoToken until Agent, or another, has written the file.
func readToken(file string) (fileToken, error) {
	if file == "" {
		return fileToken{}, nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil || len(bytes.TrimSpace(content)) == 0 {
		return fileToken{}, fmt.Errorf("%w (%s)", errNoToken, file)
	}
	return parseToken(content)
}

// unwrapAgain is how long after a failure a token is not unwrapped again.
const unwrapAgain = time.Second

// unwrapper unwraps tokens. It keeps the last one: a wrapping token can be used once, and a reload must not lose what
// it gave.
type unwrapper struct {
	now func() time.Time

	mu   sync.Mutex
	last *unwrapping
}

// unwrapping is that of one wrapping token.
type unwrapping struct {
	wrapping string
	done     chan struct{} // closed when what follows is set
	token    string
	err      error
	failed   time.Time
}

// ended reports whether the unwrapping has ended.
func (u *unwrapping) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// unwrap returns the unwrapping of a token. It may be under way, and is not repeated, except a while after it failed.
func (u *unwrapper) unwrap(vault *api.Client, wrapping string) *unwrapping {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last := u.last; last != nil && last.wrapping == wrapping &&
		(!last.ended() || last.err == nil || u.now().Sub(last.failed) < unwrapAgain) {
		return last
	}
	next := &unwrapping{wrapping: wrapping, done: make(chan struct{})}
	u.last = next
	go func() {
		defer close(next.done)
		if next.token, next.err = unwrapToken(vault, wrapping); next.err != nil {
			next.failed = u.now()
		}
	}()
	return next
}

// unwrapTimeout limits a request that calls wait for.
const unwrapTimeout = time.Minute

// unwrapToken asks Vault for what a token wraps: a token as sys/wrapping/wrap was given it, or a login.
func unwrapToken(vault *api.Client, wrapping string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), unwrapTimeout)
	defer cancel()
	with, err := vault.CloneWithHeaders() // the token of vault may have ended
	if err != nil {
		return "", &client.Failure{Reason: err.Error()}
	}
	with.SetToken(wrapping)
	secret, err := with.Logical().UnwrapWithContext(ctx, wrapping)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		failed := client.Explain(err)
		failed.Reason = "the wrapped token in vault.token_file was not unwrapped, which works once and until its ttl ends: " +
			failed.Reason
		return "", failed
	}
	token := ""
	if secret != nil {
		token, _ = secret.Data["token"].(string)
		if secret.Auth != nil {
			token = secret.Auth.ClientToken
		}
	}
	if found, err := parseToken([]byte(token)); err != nil || found.wraps {
		return "", &client.Failure{Reason: "what vault.token_file wraps is not a token"}
	}
	return token, nil
}
