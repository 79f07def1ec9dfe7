package scheme

import (
	"fmt"
	"slices"
	"strings"
)

// The flows of functions: what is known of a result. They are the safety rules of the language.

// flowKeep is for what gives a text as long as its argument, character by character.
func flowKeep(_ *checker, _ call, args []operand) (facts, error) { return args[0].facts, nil }

// flowShorten is for what may leave nothing of its argument.
func flowShorten(_ *checker, _ call, args []operand) (facts, error) {
	shorter := args[0].facts
	shorter.min = 0
	return shorter, nil
}

// flowCut is for what leaves a part of its argument, perhaps the part that was not fresh.
func flowCut(_ *checker, _ call, args []operand) (facts, error) {
	part := args[0].facts
	part.min, part.fresh, part.requested = 0, false, false
	return part, nil
}

// flowEncode is for encodings, which show where a part begins, but none as it is.
func flowEncode(_ *checker, _ call, args []operand) (facts, error) {
	encoded := args[0].facts
	encoded.utf8, encoded.beginsRequest, encoded.endsRequest = false, false, false
	return encoded, nil
}

// flowSort is for an encoding that changes the order of its parts.
func flowSort(c *checker, at call, args []operand) (facts, error) {
	sorted, err := flowEncode(c, at, args)
	sorted.min = 0
	return sorted, err
}

// flowJSON refuses secrets that are not text: an encoding of bytes that are not UTF-8 would lose some of them.
func flowJSON(c *checker, at call, args []operand) (facts, error) {
	if args[0].kind == kindSecret && !args[0].utf8 {
		return facts{}, at.errorAtNode(args[0].node, "json takes secrets of the encoding text, or joined of such and strings; "+
			"use base64, base64url or hex for this one")
	}
	encoded, err := flowEncode(c, at, args)
	encoded.min = 1
	return encoded, err
}

// flowFresh is for the methods of now that tell the second.
func flowFresh(_ *checker, _ call, _ []operand) (facts, error) {
	return facts{fresh: true, varies: true, endsPublic: true, min: 1}, nil
}

// flowChoose refuses nothing: its condition has no secret in it, because no condition has.
func flowChoose(_ *checker, _ call, args []operand) (facts, error) {
	chosen := either(args[1].facts, args[2].facts)
	chosen.varies = chosen.varies || args[0].varies
	return chosen, nil
}

const compared = "cannot be compared: a secret flows into it, hashed or not, and what can be compared can be guessed letter by letter"

// flowCompare refuses to compare what a secret flows into, hashed or not.
func flowCompare(_ *checker, at call, args []operand) (facts, error) {
	for _, arg := range args {
		if arg.ofSecret {
			return facts{}, at.errorAtNode(arg.node, compared)
		}
	}
	return facts{varies: args[0].varies || args[1].varies, min: 1}, nil
}

// flowDigest is a digest as a public value.
func flowDigest(extendable bool) flow {
	return func(c *checker, at call, args []operand) (facts, error) {
		hashed := args[0]
		if extendable && hashed.beginsSecret && hashed.endsPublic {
			if hashed.endsRequest && !c.allowExtension {
				return facts{}, at.errorAtNode(hashed.node, "could be extended: it is the hash of something that begins with a secret and ends in a "+
					"request field, so anyone who sees it can compute that of a longer value; use hmac_, or set allow_extension: true")
			}
			c.lint(at.place + ": the hash of something that begins with a secret and ends in something public can be extended by anyone who " +
				"reads it; if the API permits, use an HMAC")
		}
		c.hashed(at, hashed)
		digest := join(hashed.facts)
		digest.stale = hashed.ofSecret && !hashed.fresh
		return public(digest), nil
	}
}

// public is what a digest is as a public value.
func public(digest facts) facts {
	digest.direct, digest.min = nil, 1
	digest.beginsSecret, digest.endsPublic = digest.ofSecret, true
	return digest
}

// flowHMAC is an HMAC as a public value. It is fresh by its message, never by its key.
func flowHMAC(c *checker, at call, args []operand) (facts, error) {
	key, message := args[0], args[1]
	if err := checkKey(at, key); err != nil {
		return facts{}, err
	}
	c.hashed(at, key)
	c.hashed(at, message)
	digest := join(key.facts, message.facts)
	digest.fresh, digest.requested = message.fresh, message.requested
	digest.stale = !message.fresh && !message.requested
	return public(digest), nil
}

// checkKey refuses a key whose length a caller could choose: HMAC pads keys with zeros, so two keys that differ in those only give
// the same result, which tells how long the secret part is (RFC 2104, section 2).
func checkKey(at call, key operand) error {
	if key.varies {
		return at.errorAtNode(key.node, "cannot be a key: a request field, now, uuid or nonce flows into it; put them into the message, or "+
			"into a derive_ function")
	}
	return nil
}

// flowDerive is a digest that stays a secret.
func flowDerive(c *checker, at call, args []operand) (facts, error) {
	return c.derived(at, args, args[0].facts), nil
}

// flowDeriveHMAC is an HMAC that stays a secret.
func flowDeriveHMAC(c *checker, at call, args []operand) (facts, error) {
	if err := checkKey(at, args[0]); err != nil {
		return facts{}, err
	}
	return c.derived(at, args, args[1].facts), nil
}

// derived is what a derived key is, given what makes it fresh. Its length is that of the hash, so nothing about it varies that a
// key's padding could tell.
func (c *checker) derived(at call, args []operand, by facts) facts {
	direct := union(args[0].direct, args[len(args)-1].direct)
	c.intoDerive = union(c.intoDerive, direct)
	return facts{
		ofSecret: true, fresh: by.fresh, requested: by.requested, min: 1, beginsSecret: true,
		direct: []int{c.number(fmt.Sprint(at.function.name, direct))},
	}
}

// hashed remembers which secrets and derived keys flow into a hash whose result is public.
func (c *checker) hashed(at call, arg operand) {
	for _, number := range arg.direct {
		if c.intoHash[number] == nil {
			c.intoHash[number] = at.errorAtNode(arg.node, "a secret or a derived key that flows into a derive_ function cannot flow into a hash or "+
				"an hmac_ too: a caller could ask for the derived key; use two secrets, or derive both keys")
		}
	}
}

// number gives a secret or a derived key its number. Derived keys of the same function and the same secrets count as one,
// whatever else they are made of: a caller might make the rest equal.
func (c *checker) number(name string) int {
	if number, known := c.numbers[name]; known {
		return number
	}
	c.numbers[name] = len(c.numbers)
	return c.numbers[name]
}

// checkKeysApart refuses a scheme in which a key that others are derived from is also hashed in public.
func (c *checker) checkKeysApart() error {
	for _, number := range c.intoDerive {
		if err := c.intoHash[number]; err != nil {
			return err
		}
	}
	return nil
}

// lint adds a warning, once.
func (c *checker) lint(text string) {
	text = strings.TrimSpace(text)
	if !slices.Contains(c.lints, text) {
		c.lints = append(c.lints, text)
	}
}
