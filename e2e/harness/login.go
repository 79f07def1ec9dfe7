package harness

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// LoginServer is an OAuth2 server that gives tokens for client credentials by Basic (RFC 6749, section 4.4), and serves
// calls with them. It has arithmetic of its own.
type LoginServer struct {
	URL    string
	secret string

	mu     sync.Mutex
	tokens []string
}

// loginTokens are the tokens that all login servers have issued. They have no mark, as those of the Infinity Portal.
var loginTokens struct {
	mu  sync.Mutex
	all []string
}

const loginClient = "client/of the tests"

// NewLoginServer starts a server for one test, with a secret of its own.
func NewLoginServer(t *testing.T) *LoginServer {
	t.Helper()
	s := &LoginServer{secret: NewSecret() + "/ +"}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *LoginServer) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/oauth/token" {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if s.mu.Lock(); !slices.Contains(s.tokens, token) {
			w.WriteHeader(http.StatusUnauthorized)
		}
		s.mu.Unlock()
		return
	}
	encoded := strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
	pair, _ := base64.StdEncoding.DecodeString(encoded)
	user, password, _ := strings.Cut(string(pair), ":")
	client, _ := url.QueryUnescape(user)
	secret, _ := url.QueryUnescape(password)
	if r.FormValue("grant_type") != "client_credentials" || client != loginClient || secret != s.secret {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	token := rand.Text()
	s.mu.Lock()
	s.tokens = append(s.tokens, token)
	s.mu.Unlock()
	loginTokens.mu.Lock()
	loginTokens.all = append(loginTokens.all, token)
	loginTokens.mu.Unlock()
	_ = json.NewEncoder(w).Encode(Values{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

// Logins counts the tokens that were issued.
func (s *LoginServer) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// Config is a config that the server accepts.
func (s *LoginServer) Config(t *testing.T) Values {
	t.Helper()
	text, err := os.ReadFile(Path("e2e/harness/testdata/login.yml"))
	require.NoError(t, err)
	return Values{"scheme": string(text), "base_url": s.URL, "client_id": loginClient, "client_secret": s.secret}
}

// bearerTokens are those that the stand-ins have issued so far and that no search knows by their looks.
func bearerTokens() []string {
	loginTokens.mu.Lock()
	defer loginTokens.mu.Unlock()
	return append(standInTokens(), loginTokens.all...)
}
