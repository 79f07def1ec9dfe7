package avanan

import (
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Token is what a handshake gives.
type Token struct {
	// JWT is the token as it goes into x-av-token.
	JWT secret.Text
	// AskedAt is when it was asked for, by the clock of whoever asked.
	AskedAt time.Time
	// ExpiresAt is the JWT's exp claim; an hour after it was asked for where it has none that can be meant. Where it has an
	// iat too, within a day before exp, it is no later than exp lies after that: the clocks of the two sides may differ.
	ExpiresAt time.Time
	// DateFormat is the one that the handshake worked with, never Auto.
	DateFormat DateFormat
}

const (
	// defaultLife is how long a JWT lives (Avanan's Smart API pages, "Authentication").
	defaultLife = time.Hour
	// maxLife is the most that an exp is believed: one in milliseconds can't be meant, and counts as none.
	maxLife = 24 * time.Hour
	// minLife is the least that a token must live to be of any use.
	minLife = 1500 * time.Millisecond
)

// Left is what is left of the token's life at an instant, 0 or below where that is nothing. A clock may be set back, for
// which Go has a monotonic reading beside it, and that one stands still while a machine is suspended: the lesser counts,
// and it is never more than the token had when it was new.
func (t Token) Left(at time.Time) time.Duration {
	return min(t.ExpiresAt.Sub(at), t.ExpiresAt.Round(0).Sub(at.Round(0)), t.Life())
}

// Life is what the token had left when it was new.
func (t Token) Life() time.Duration { return t.ExpiresAt.Sub(t.AskedAt) }

// tokenText is what may stand in a header as a token (RFC 6750, section 2.1). A web page or a JSON document is not.
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// parseToken reads the body of a handshake's answer: a JWT, bare or in JSON quotes, with white space around it or not.
// The reason is "" or what is wrong with it. The signature is not checked: TLS vouches for where the JWT is from, and
// its only use is to go back there.
func parseToken(body string, asked time.Time) (token Token, reason string) {
	text := strings.TrimSpace(body)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	switch {
	case text == "":
		return Token{}, "the body is empty"
	case !tokenText.MatchString(text):
		return Token{}, "the body is no token"
	}
	life := lifeOf(text, asked)
	if life < minLife {
		return Token{}, "the token has expired already, or is about to (is this server's clock right?)"
	}
	return Token{JWT: secret.Text(text), AskedAt: asked, ExpiresAt: asked.Add(life)}, ""
}

// lifeOf reads what a token has left, where it is a JWT with an exp, in Unix seconds; 0 where that lies far back.
func lifeOf(token string, asked time.Time) time.Duration {
	claims := jwt.MapClaims{}
	// An error leaves claims empty, or is about the algorithm, which is the vendor's affair.
	_, _, _ = jwt.NewParser().ParseUnverified(token, claims)
	exp, isNumber := claims["exp"].(float64)
	switch {
	case !isNumber || exp > float64(asked.Add(maxLife).Unix()):
		return defaultLife
	case exp <= 0:
		return 0
	}
	life := time.Unix(int64(exp), 0).Sub(asked)
	if iat, isNumber := claims["iat"].(float64); isNumber && iat < exp && iat > exp-maxLife.Seconds() {
		life = min(life, time.Duration(exp-iat)*time.Second)
	}
	return life
}
