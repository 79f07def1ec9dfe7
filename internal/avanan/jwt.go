package avanan

import (
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// defaultLife is how long a JWT lives (Avanan's Smart API pages, "Authentication").
	defaultLife = time.Hour
	// maxLife is the longest life that an exp is believed to mean. One in milliseconds is far beyond, and counts as none.
	maxLife = 24 * time.Hour
	// minLife is the shortest life with which a JWT is of any use.
	minLife = 3 * time.Second
	// maxJWT is the longest JWT, in bytes. The vendor's have about a thousand, and servers limit headers.
	maxJWT = 16 << 10
)

// tokenText is what a token may consist of (RFC 6750, section 2.1). A web page or a JSON document does not.
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// parseJWT reads the body of a handshake's answer: a JWT, bare or in JSON quotes, with white space around it or not. It
// returns the JWT and how long it lives from the moment it was asked for; or in fault what is wrong with it, in words that
// quote nothing. The JWT's signature is not checked: TLS vouches for its sender, and its only use is to go back there.
func parseJWT(body string, asked time.Time) (text string, life time.Duration, fault string) {
	text = strings.TrimSpace(body)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	switch {
	case text == "":
		return "", 0, "the body is empty"
	case len(text) > maxJWT:
		return "", 0, "the token has more than 16 KiB"
	case !tokenText.MatchString(text):
		return "", 0, "the body is not a token"
	}
	if life = lifeOf(text, asked); life < minLife {
		return "", 0, "the token has expired, or is about to (is this server's clock right?)"
	}
	return text, life, ""
}

// lifeOf reads how long a token lives: until its exp claim, in Unix seconds, if it is a JWT that has one. With an iat claim
// within a day before exp it is no more than the time between the two, because the clocks of the two sides may differ.
func lifeOf(text string, asked time.Time) time.Duration {
	claims := jwt.MapClaims{}
	// An error leaves claims empty, or is about the algorithm, which does not matter here.
	_, _, _ = jwt.NewParser().ParseUnverified(text, claims)
	exp, isNumber := claims["exp"].(float64)
	switch {
	case !isNumber || exp > float64(asked.Add(maxLife).Unix()):
		return defaultLife
	case exp <= 0:
		return 0
	}
	life := time.Unix(int64(exp), 0).Sub(asked)
	if iat, isNumber := claims["iat"].(float64); isNumber && iat < exp && iat >= exp-maxLife.Seconds() {
		life = min(life, time.Duration(exp-iat)*time.Second)
	}
	return life
}
