package scheme

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// exampleLogin is the login of an example: what it must send, what is answered, and what it then gives.
type exampleLogin struct {
	place string
	// want are the texts that it must send, by path, query, form, json and body; headers are by their names.
	want, headers map[string]string
	answer        LoginAnswer
	hasAnswer     bool
	gives         map[string]string
	// life is in seconds; 0 if the example does not tell it.
	life int
}

// given are what the login gives.
func (x *exampleLogin) given() map[string]secret.Text {
	given := map[string]secret.Text{}
	if x == nil {
		return given
	}
	for name, value := range x.gives {
		given[name] = secret.Text(value)
	}
	return given
}

func readExampleLogin(node *yaml.Node, place string) *exampleLogin {
	x := &exampleLogin{place: place, want: map[string]string{}}
	for _, p := range pairs(node, place, exampleLoginShape.keyNames()...) {
		at := place + "." + p.key
		switch p.key {
		case "want":
			for _, part := range pairs(p.value, at, exampleWantShape.keyNames()...) {
				if part.key == "headers" {
					x.headers = texts(part.value, at+".headers")
					continue
				}
				x.want[part.key] = scalar(part.value, at+"."+part.key)
			}
		case "answer":
			x.answer, x.hasAnswer = readExampleAnswer(p.value, at), true
		case "gives":
			x.gives = texts(p.value, at)
		case "life":
			var err error
			if x.life, err = strconv.Atoi(scalar(p.value, at)); err != nil || x.life < 1 {
				panic(refuseAt(at, "must be a number of seconds"))
			}
		}
	}
	switch {
	case x.hasAnswer && x.gives == nil:
		panic(refuseAt(place, "has an answer, so it must have gives: what the answer gives, by name"))
	case x.life > 0 && !x.hasAnswer:
		panic(refuseAt(place, "has a life, so it must have the answer that tells it"))
	}
	return x
}

// readExampleAnswer reads an answer: its body, or headers and body.
func readExampleAnswer(node *yaml.Node, place string) LoginAnswer {
	answer := LoginAnswer{Header: http.Header{}}
	if node.Kind != yaml.MappingNode {
		answer.Body = []byte(scalar(node, place))
		return answer
	}
	for _, p := range pairs(node, place, exampleAnswerShape.keyNames()...) {
		if p.key == "body" {
			answer.Body = []byte(scalar(p.value, place+".body"))
			continue
		}
		for name, value := range texts(p.value, place+".headers") {
			answer.Header.Add(name, value)
		}
	}
	return answer
}

// checkExampleLogin refuses what is wrong with the login of an example, without running it.
func (s *Scheme) checkExampleLogin(x example) {
	if s.login == nil {
		if x.login != nil {
			panic(refuseAt(x.login.place, "the scheme has no login"))
		}
		return
	}
	given := map[string]string{}
	if x.login != nil {
		s.login.checkKnown(x.login)
		given = x.login.gives
	}
	needed := map[string]bool{}
	for _, output := range s.outputs() {
		maps.Copy(needed, output.uses)
	}
	s.checked.addUses(needed)
	for _, name := range s.Gives() {
		if _, is := given[name]; needed[name] && !is {
			panic(refuseAt(x.place, "needs login.gives.%s, which the scheme uses", name))
		}
	}
}

// checkKnown refuses what the login does not declare.
func (r *loginRequest) checkKnown(x *exampleLogin) {
	known := func(place string, names []string, given map[string]string) {
		for name := range given {
			if !slices.Contains(names, name) {
				panic(refuseAt(place, "has a key that the login does not declare; it declares: %s", strings.Join(names, ", ")))
			}
		}
	}
	known(x.place+".want", r.parts(), x.want)
	known(x.place+".want.headers", r.headerNames(), x.headers)
	known(x.place+".gives", names(r.answers, func(a answerField) string { return a.name }), x.gives)
}

// parts are the names of the texts that the login sends, without its headers.
func (r *loginRequest) parts() []string {
	parts := []string{"path"}
	for _, part := range []struct {
		name    string
		outputs []output
	}{{"query", r.query}, {"form", r.form}, {"json", r.json}, {"body", r.body}} {
		if part.outputs != nil {
			parts = append(parts, part.name)
		}
	}
	return parts
}

// headerNames are the declared headers. The content_type is among them, as the header that it makes.
func (r *loginRequest) headerNames() []string {
	declared := names(r.headers, func(o output) string { return o.name })
	if r.mimeType != nil {
		declared = append(declared, contentType)
	}
	return declared
}

// checkLoginWanted refuses examples none of which has the whole login.
func (s *Scheme) checkLoginWanted() {
	if s.login == nil {
		return
	}
	headers := names(s.login.headers, func(o output) string { return o.name })
	has := func(given map[string]string, names []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { _, is := given[name]; return !is })
	}
	if slices.ContainsFunc(s.document.examples, func(x example) bool {
		return x.login != nil && x.login.hasAnswer && has(x.login.want, s.login.parts()) && has(x.login.headers, headers) &&
			has(x.login.gives, s.Gives())
	}) {
		return
	}
	wanted := strings.Join(s.login.parts(), ", ")
	if len(headers) > 0 {
		wanted += ", headers (" + strings.Join(headers, ", ") + ")"
	}
	panic(refuseAt("login", "at least one example must have a login with all that it sends in want: %s; an answer; and "+
		"all that it gives: %s", wanted, strings.Join(s.Gives(), ", ")))
}

// runLogin makes the login of an example, reads its answer, and compares both with what the example wants. It is called
// for whole schemes.
func (s *Scheme) runLogin(x example) error {
	if x.login == nil {
		return nil
	}
	signer, err := s.signer(x.values)
	if err != nil {
		return refuseAt(x.place, "%s", err)
	}
	call, err := signer.LoginInTurn(context.Background(), x.moment)
	if err != nil {
		return refuseAt(x.login.place, "%s", err)
	}
	differs := func(place, got, want string, outputs ...output) error {
		if got == want {
			return nil
		}
		hashed := ""
		if len(outputs) > 0 {
			hashed = s.hashedFor(x, outputs...)
		}
		return refuseAt(x.login.place+"."+place, "the scheme gives %q, and the example wants %q%s%s", got, want, hashed,
			s.encodingHint(x))
	}
	for _, part := range s.login.parts() {
		got, outputs := call.sent.body, slices.Concat(s.login.form, s.login.json, s.login.body)
		switch part {
		case "path":
			got, outputs = call.sent.path, []output{s.login.path}
		case "query":
			got, outputs = call.sent.query, s.login.query
		}
		if want, wanted := x.login.want[part]; wanted {
			if err := differs("want."+part, got, want, outputs...); err != nil {
				return err
			}
		}
	}
	for _, name := range s.login.headerNames() {
		i := slices.IndexFunc(s.login.headers, func(o output) bool { return o.name == name })
		outputs := s.login.mimeType
		if i >= 0 {
			outputs = s.login.headers[i : i+1]
		}
		if want, wanted := x.login.headers[name]; wanted {
			if err := differs("want.headers."+name, call.sent.headers[name], want, outputs...); err != nil {
				return err
			}
		}
	}
	return s.runAnswer(x, call, differs)
}

// runAnswer compares what the answer of an example gives.
func (s *Scheme) runAnswer(x example, call LoginCall, differs func(place, got, want string, _ ...output) error) error {
	if !x.login.hasAnswer {
		return nil
	}
	answer := x.login.answer
	answer.At = x.moment.Now
	gives, err := call.Read(answer)
	if err != nil {
		return refuseAt(x.login.place+".answer", "%s", err)
	}
	for _, name := range s.Gives() {
		if want, wanted := x.login.gives[name]; wanted {
			if err := differs("gives."+name, gives.Values[name].Reveal(), want); err != nil {
				return err
			}
		}
	}
	if x.login.life == 0 {
		return nil
	}
	err = differs("life", fmt.Sprint(int(gives.Life/time.Second)), fmt.Sprint(x.login.life))
	if err != nil && gives.Assumed != "" {
		return fmt.Errorf("%w (%s)", err, gives.Assumed)
	}
	return err
}
