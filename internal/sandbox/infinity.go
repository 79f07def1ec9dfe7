package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	infinityLogin = "/auth/external"
	infinityAPI   = "/app/hec-api"
)

// infinity plays Harmony Email's API behind Check Point's Infinity Portal, which has the endpoints of Avanan's.
func (s *Sandbox) infinity(r *http.Request, _ Behaviour) answer {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch reqID := r.Header.Get("x-av-req-id"); {
	case !bearer || !s.living(s.bearers, token):
		return infinityRefusal("the bearer token is unknown or has expired")
	case !uuid4.MatchString(reqID):
		return message(http.StatusBadRequest, "Bad Request", "x-av-req-id is not a UUID of version 4")
	case s.replayed(reqID):
		return message(http.StatusBadRequest, "Bad Request", "x-av-req-id was used before")
	}
	below := r.Clone(r.Context())
	below.URL.Path = strings.TrimPrefix(r.URL.Path, infinityAPI)
	below.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, infinityAPI)
	return serve(avananEndpoints, below)
}

// infinityRefusal is what data calls get without a living token.
func infinityRefusal(why string) answer {
	return answer{http.StatusUnauthorized, `{"success":false,"message":"Authentication required","forceLogout":true}`, why}
}

// infinityFailure is what a login with a wrong key gets.
var infinityFailure = answer{http.StatusOK, `{"success":false,"message":"Authentication failed"}`, "wrong key"}

// infinityLogin answers a login. A failure comes with status 200, as clients have seen it.
func (s *Sandbox) infinityLogin(r *http.Request, behaviour Behaviour) answer {
	var login struct {
		ClientID  string `json:"clientId"`
		AccessKey string `json:"accessKey"`
	}
	switch err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&login); {
	case r.Method != http.MethodPost:
		return message(http.StatusMethodNotAllowed, "Method Not Allowed", "a login is a POST")
	case r.Header.Get("Content-Type") != "application/json" || err != nil:
		return message(http.StatusBadRequest, "Bad Request", "a login is JSON")
	case login.ClientID != behaviour.InfinityClientID,
		subtle.ConstantTimeCompare([]byte(login.AccessKey), []byte(behaviour.InfinityAccessKey)) != 1:
		return infinityFailure
	}
	token, life := rand.Text()+rand.Text(), behaviour.InfinityTokenLife
	expiry := s.clock().Add(life)
	s.mu.Lock()
	s.bearers[token] = expiry
	s.mu.Unlock()
	return answer{http.StatusOK, fmt.Sprintf(`{"success":true,"data":{"token":%q,"csrf":%q,"expires":%q,"expiresIn":%d}}`,
		token, rand.Text(), expiry.UTC().Format(http.TimeFormat), int(life/time.Second)), "a token"}
}

// InfinityTokens are all tokens that the portal has issued.
func (s *Sandbox) InfinityTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.bearers))
}

// Logins counts the logins at the portal, including those that failed.
func (s *Sandbox) Logins() int { return int(s.logins.Load()) }
