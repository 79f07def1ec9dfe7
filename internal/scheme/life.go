package scheme

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// life is where an answer tells how long what it gives is good for.
type life struct {
	place   string
	pointer *pointer
	// as is the unit of a number, "rfc3339", or a layout of an instant in UTC.
	as string
	// jwt is the name of what the answer gives that is a JWT with an exp; it has no pointer.
	jwt string
}

const defaultUnit = "seconds"

// lifeUnits are numbers that say how long; others say until when.
var lifeUnits = map[string]time.Duration{
	defaultUnit: time.Second,
	"minutes":   time.Minute,
	"ms":        time.Millisecond,
	"unix":      time.Second,
	"unix_ms":   time.Millisecond,
}

const rfc3339Life = "rfc3339"

// readLives reads the list of where an answer tells a life. One is a list of one.
func (l *login) readLives(node *yaml.Node) []life {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		return []life{l.readLife(node, "login.life")}
	}
	if len(node.Content) > maxLives {
		panic(refuseAt("login.life", "has more than %d", maxLives))
	}
	var lives []life
	for i, item := range node.Content {
		lives = append(lives, l.readLife(item, fmt.Sprintf("login.life[%d]", i)))
	}
	return lives
}

// maxLives is how many places a life may have.
const maxLives = 8

func (l *login) readLife(node *yaml.Node, place string) life {
	options := texts(node, place, lifeShape.keyNames()...)
	read := life{place: place, as: options["as"]}
	name, isJWT := options["jwt"]
	if isJWT {
		if len(options) > 1 {
			panic(refuseAt(place, "has a jwt, so it cannot have a pointer or as"))
		}
		if !slices.ContainsFunc(l.answers, func(a answerField) bool { return a.name == name }) {
			panic(refuseAt(place+".jwt", "must be a name of login.answer"))
		}
		read.jwt = name
		return read
	}
	read.pointer = requiredPointer(options, place)
	if read.as == "" {
		read.as = defaultUnit
	}
	if _, isUnit := lifeUnits[read.as]; isUnit || read.as == rfc3339Life {
		return read
	}
	if compiled, valid := newLayout(read.as); !valid || !compiled.instant || !printable(read.as) {
		panic(refuseAt(place+".as", "must be seconds, minutes, ms, unix, unix_ms, rfc3339, or a layout of now.format with "+
			"year, month, day, hour, minute and second"))
	}
	return read
}

var (
	errLife = errors.New("must be a number of at most 15 digits, or a string of one, in the answer")
	errOver = errors.New("has already ended by the answer: it is 0, negative, or in the past")
	errWhen = errors.New("must be a time in the answer, in the format that the scheme declares")
)

// life is how long what a login gave is good for, counted from an instant. assumed is why that is the ttl although the
// document says where the answer tells a life; "" if it does not, or the answer tells one.
func (l *loginRules) life(
	body *jsonText, given map[string]secret.Text, at time.Time,
) (lasts time.Duration, assumed string, err error) {
	for _, where := range l.lives {
		lasts, is, err := where.read(body, given, at)
		switch {
		case err != nil:
			return 0, "", wrongAnswer(where.place, err.Error())
		case !is:
			continue
		case lasts <= 0:
			return 0, "", wrongAnswer(where.place, errOver.Error())
		case lasts > l.max:
			return l.ttl, fmt.Sprintf("the answer tells a life longer than max, %s, which counts as none, so ttl counts: %s",
				l.max, l.ttl), nil
		}
		return lasts, "", nil
	}
	if l.lives != nil {
		assumed = fmt.Sprintf("the answer tells no life where the scheme looks for it, so ttl counts: %s", l.ttl)
	}
	return l.ttl, assumed, nil
}

// tells are the texts in an answer that can tell a life, apart from a JWT, which is among the values.
func (l *loginRules) tells(body *jsonText) (texts []string) {
	for _, where := range l.lives {
		if where.pointer == nil {
			continue
		}
		if found, is, err := body.find(where.pointer); is && err == nil {
			texts = append(texts, found.text)
		}
	}
	return texts
}

// read is what one place tells. is reports whether it tells anything.
func (f life) read(
	body *jsonText, given map[string]secret.Text, at time.Time,
) (lasts time.Duration, is bool, err error) {
	if f.jwt != "" {
		return jwtLife(given[f.jwt].Reveal(), at)
	}
	found, is, err := body.find(f.pointer)
	if err != nil || !is {
		return 0, false, err
	}
	if unit := lifeUnits[f.as]; unit != 0 {
		count, valid := wholeNumber(found)
		switch {
		case !valid:
			return 0, true, errLife
		case f.as == "unix":
			return time.Unix(count, 0).Sub(at), true, nil
		case f.as == "unix_ms":
			return time.UnixMilli(count).Sub(at), true, nil
		}
		return times(count, unit), true, nil
	}
	var until time.Time
	if f.as == rfc3339Life {
		until, err = time.Parse(time.RFC3339, found.text)
	} else {
		until, err = layout{text: f.as}.parse(found.text)
	}
	if err != nil {
		return 0, true, errWhen
	}
	return until.Sub(at), true, nil
}

// times is a number of units, or the longest time if that is too much.
func times(count int64, unit time.Duration) time.Duration {
	if count > int64(maxLife/unit) {
		return maxLife + unit
	}
	return time.Duration(max(count, -1)) * unit
}

var decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

const maxDigits = 15

// wholeNumber is a number, or a string of one, without its fraction.
func wholeNumber(value jsonValue) (int64, bool) {
	if value.kind != jsonNumber && value.kind != jsonQuoted || !decimal.MatchString(value.text) {
		return 0, false
	}
	whole, _, _ := strings.Cut(value.text, ".")
	if len(strings.TrimPrefix(whole, "-")) > maxDigits {
		return 0, false
	}
	count, err := strconv.ParseInt(whole, 10, 64)
	return count, err == nil
}

// jwtLife is the life of a JWT: until its exp, and no longer than from its iat to its exp, because the clocks may
// differ. A text that is no JWT, or one without exp, tells nothing.
func jwtLife(token string, at time.Time) (lasts time.Duration, is bool, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, false, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0, false, nil //nolint:nilerr // it is no JWT
	}
	claims := newJSONText(decoded)
	if errors.Is(claims.err, errNotJSON) {
		return 0, false, nil
	} else if claims.err != nil {
		return 0, true, claims.err
	}
	exp, hasExp, err := claims.find(&pointer{[]string{"exp"}})
	if err != nil || !hasExp {
		return 0, hasExp, err
	}
	iat, hasIat, err := claims.find(&pointer{[]string{"iat"}})
	if err != nil {
		return 0, true, err
	}
	until, valid := wholeNumber(exp)
	if !valid {
		return 0, true, errLife
	}
	lasts = time.Unix(until, 0).Sub(at)
	if hasIat {
		from, valid := wholeNumber(iat)
		if !valid {
			return 0, true, errLife
		}
		lasts = min(lasts, time.Unix(until, 0).Sub(time.Unix(from, 0)))
	}
	return lasts, true, nil
}
