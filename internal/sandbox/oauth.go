package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	oauthPrefix = "/oauth2/"
	oauthToken  = "/oauth2/token"
)

// oauthEndpoints are what the API serves that takes the server's tokens.
var oauthEndpoints = []endpoint{{"GET POST", "/oauth2/v1/orders", `{"orders":[]}`}}

// oauth plays an API that takes the bearer tokens of the OAuth 2.0 server.
func (s *Sandbox) oauth(r *http.Request, _ Behaviour) answer {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || !s.living(s.access, token) {
		return oauthError(http.StatusUnauthorized, "invalid_token", "the bearer token is unknown or has expired")
	}
	return serve(oauthEndpoints, r)
}

// oauthLogin plays the token endpoint of an OAuth 2.0 server (RFC 6749), for client credentials. A client authenticates
// with its secret, in an Authorization header or in the form, or with an assertion that it signed (RFC 7523).
func (s *Sandbox) oauthLogin(r *http.Request, behaviour Behaviour) answer {
	if r.Method != http.MethodPost {
		return oauthError(http.StatusMethodNotAllowed, "invalid_request", "a login is a POST")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<16)
	repeated := func(values []string) bool { return len(values) > 1 }
	if err := r.ParseForm(); err != nil || slices.ContainsFunc(slices.Collect(maps.Values(r.PostForm)), repeated) {
		return oauthError(http.StatusBadRequest, "invalid_request", "a login is a form that has each parameter once")
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "another grant")
	}
	if why := s.oauthClient(r, behaviour); why != "" {
		return oauthError(http.StatusUnauthorized, "invalid_client", why)
	}
	token, expiry := rand.Text()+rand.Text(), s.clock().Add(behaviour.OAuthTokenLife)
	s.mu.Lock()
	s.access[token] = expiry
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]any{ // never fails
		"access_token": token, "token_type": "Bearer", "expires_in": int(behaviour.OAuthTokenLife / time.Second),
	})
	return answer{http.StatusOK, string(body), "a token"}
}

// oauthError is an error in the form of RFC 6749, section 5.2.
func oauthError(status int, code, why string) answer {
	return answer{status, `{"error":"` + code + `"}`, why}
}

// oauthClient says what is wrong with how a client authenticates; "" if nothing is.
func (s *Sandbox) oauthClient(r *http.Request, behaviour Behaviour) string {
	id, secret, basic := r.BasicAuth()
	form := r.PostForm
	assertion := form.Get("client_assertion")
	switch {
	case basic && (form.Has("client_secret") || assertion != ""), form.Has("client_secret") && assertion != "":
		return "more than one way"
	case assertion != "":
		if form.Has("client_id") && form.Get("client_id") != behaviour.OAuthClientID {
			return "another client"
		}
		return s.assertionFault(assertion, form.Get("client_assertion_type"), "http://"+r.Host+oauthToken, behaviour)
	case basic: // section 2.3.1: both are encoded
		var err error
		if id, err = url.QueryUnescape(id); err == nil {
			secret, err = url.QueryUnescape(secret)
		}
		if err != nil {
			return "the Authorization header is not percent-encoded"
		}
	default:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if id != behaviour.OAuthClientID ||
		subtle.ConstantTimeCompare([]byte(secret), []byte(behaviour.OAuthClientSecret)) != 1 {
		return "wrong id or secret"
	}
	return ""
}

// OAuthTokens are all tokens that the OAuth 2.0 server has issued.
func (s *Sandbox) OAuthTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.access))
}

// OAuthAssertions are the assertions that clients have sent to the OAuth 2.0 server, including those that it refused.
func (s *Sandbox) OAuthAssertions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.assertions)
}

// OAuthLogins counts the logins at the OAuth 2.0 server, including those that failed.
func (s *Sandbox) OAuthLogins() int { return int(s.oauthLogins.Load()) }
