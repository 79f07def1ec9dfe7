package scheme

import (
	"fmt"
	"slices"
	"strings"
)

// The flows of functions: what is known of a result. They are the safety rules of the language.

// flowKeep is for what gives a text as long as its argument, character by character.
func flowKeep(_ *checker, _ call, args []operand) (facts, error) { return args[0].facts, nil }

// flowShorten is for what leaves a part of its argument, which may begin and end with what was inside: a request field, if anything
// varies. (That requested says less is not enough: a cut inside it may have cleared that.)
func flowShorten(_ *checker, _ call, args []operand) (facts, error) {
	part := args[0].facts
	part.min = 0
	part.beginsRequest, part.endsRequest = part.beginsRequest || part.varies, part.endsRequest || part.varies
	part.lastRequest = part.lastRequest || part.varies
	return part, nil
}

// flowCut is flowShorten for what may leave the part that was not fresh.
func flowCut(c *checker, at call, args []operand) (facts, error) {
	part, err := flowShorten(c, at, args)
	part.fresh, part.requested = false, false
	return part, err
}

// flowEncode is for encodings, which show where a part begins, but none as it is.
func flowEncode(_ *checker, _ call, args []operand) (facts, error) {
	encoded := args[0].facts
	encoded.utf8, encoded.beginsRequest, encoded.endsRequest, encoded.zeros = false, false, false, false
	encoded.lastRequest, encoded.begin, encoded.end = false, edge{}, edge{}
	return encoded, nil
}

// flowSort is for an encoding that changes the order of its parts. To sort is to compare.
func flowSort(c *checker, at call, args []operand) (facts, error) {
	if args[0].ofSecret {
		return facts{}, at.errorAtNode(args[0].node, compared)
	}
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
	return facts{fresh: true, varies: true, changes: true, endsPublic: true, min: 1}, nil
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
func flowDigest(h string, extendable bool) flow {
	return func(c *checker, at call, args []operand) (facts, error) {
		hashed := args[0]
		// Wherever the secret is: the digest is the state of the hash after all of it.
		if extendable && hashed.ofSecret && hashed.endsPublic {
			if hashed.lastRequest && !c.allowExtension {
				err := c.newer.refuse(at.errorAtNode(hashed.node, "could be extended: it is the hash of something that has a secret "+
					"in it and ends in a request field, or in one that only constants follow, so anyone who sees it can compute "+
					"that of a longer value; use hmac_, or set allow_extension: true"))
				if err != nil {
					return facts{}, err
				}
			}
			c.lint(at.place + ": the hash of something that has a secret in it and ends in something public can be extended by anyone who " +
				"reads it; if the API permits, use an HMAC")
		}
		c.hashed(at, hashed)
		c.plain[h] = union(c.plain[h], hashed.direct)
		digest := join(hashed.facts)
		digest.stale = hashed.ofSecret && !hashed.fresh
		return public(digest), nil
	}
}

// public is what a digest is as a public value.
func public(digest facts) facts {
	digest.direct, digest.min, digest.zeros, digest.endsPublic = nil, 1, true, true
	return digest
}

// flowHMAC is an HMAC as a public value. It is fresh by its message, never by its key.
func flowHMAC(h string, block int) flow {
	return func(c *checker, at call, args []operand) (facts, error) {
		key, message := args[0], args[1]
		if err := checkKey(at, key); err != nil {
			return facts{}, err
		}
		c.hashed(at, key)
		c.hashed(at, message)
		if key.max > block {
			for _, number := range key.direct {
				c.longKeys = append(c.longKeys, longKey{h, number, at.errorAtNode(key.node, "cannot be a key of %s that can have more than %d "+
					"bytes, because it flows into %s too: HMAC hashes long keys, so that hash may be the key", at.function.name, block, h)})
			}
		}
		c.publicKeys[h] = union(c.publicKeys[h], c.unhashed("derive_"+h, key.direct))
		digest := join(key.facts, message.facts)
		digest.fresh, digest.requested = message.fresh, message.requested
		digest.stale = !message.fresh && !message.requested
		return public(digest), nil
	}
}

// longKey is a secret or a derived key, by its number, that is a key longer than a block of a hash, and what is wrong if the same hash of
// it is public (RFC 2104, section 2).
type longKey struct {
	hash   string
	number int
	err    error
}

// checkKey refuses a key whose length a caller could choose: HMAC pads keys with zeros, so two keys that differ in those only give
// the same result, which tells how long the secret part is (RFC 2104, section 2).
func checkKey(at call, key operand) error {
	if key.varies {
		return at.errorAtNode(key.node, "cannot be a key: a request field, now, uuid or nonce flows into it; put them into the message, or "+
			"into a derive_ function")
	}
	if key.zeros {
		return at.errorAtNode(key.node, "cannot be a key: it has bytes 0, or a digest in bytes, beside the secret; write the digest in hex")
	}
	return nil
}

// flowDerive is a digest that stays a secret.
func flowDerive(c *checker, at call, args []operand) (facts, error) {
	return c.derived(at, args, args[0].facts), nil
}

// flowDeriveHMAC is an HMAC that stays a secret.
func flowDeriveHMAC(h string, block int) flow {
	return func(c *checker, at call, args []operand) (facts, error) {
		key, message := args[0], args[1]
		if err := checkKey(at, key); err != nil {
			return facts{}, err
		}
		c.derivingKeys = append(c.derivingKeys, derivingKey{
			hash: h, made: c.unhashed("derive_"+h, key.direct), long: key.max > block,
			err: at.errorAtNode(key.node, "cannot be a key of %s, because a key of hmac_%s is made of the same: HMAC hashes keys "+
				"that have more than %d bytes, so a caller could ask for the derived key; use two secrets",
				at.function.name, h, block),
		})
		return c.derived(at, args, message.facts), nil
	}
}

// derivingKey is a key of derive_hmac_<hash>.
type derivingKey struct {
	hash string
	// made is what the key is made of, with the hash undone.
	made []int
	// long says that the key can be longer than a block of the hash.
	long bool
	// err is what is wrong if a key of hmac_<hash> is made of the same.
	err error
}

// derived is what a derived key is, given what makes it fresh. Its length is that of the hash, so nothing about it varies that a
// key's padding could tell.
func (c *checker) derived(at call, args []operand, by facts) facts {
	direct := union(args[0].direct, args[len(args)-1].direct)
	c.intoDerive = union(c.intoDerive, direct)
	made := direct
	if h, isHMAC := strings.CutPrefix(at.function.name, "derive_hmac_"); isHMAC {
		made = c.unhashed("derive_"+h, direct)
	}
	number := c.number(fmt.Sprint(at.function.name, made))
	c.made[number] = derivation{at.function.name, direct}
	return facts{ofSecret: true, changes: true, fresh: by.fresh, requested: by.requested, min: 1, direct: []int{number}}
}

// derivation is what a derived key is made with and of.
type derivation struct {
	function string
	direct   []int
}

// unhashed replaces the keys among some that a function made by what they are made of. HMAC hashes keys that are longer than a block, so
// a long key and its hash give the same.
func (c *checker) unhashed(function string, direct []int) []int {
	var made []int
	seen := map[int]bool{} // keys can be made of the same ones in very many ways
	for rest := slices.Clone(direct); len(rest) > 0; {
		number := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		switch from := c.made[number]; {
		case seen[number]:
		case from.function == function:
			rest = append(rest, from.direct...)
		default:
			made = append(made, number)
		}
		seen[number] = true
	}
	slices.Sort(made)
	return made
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

// checkKeysApart refuses a scheme in which a key that others are derived from is also hashed in public, or the hash of
// a long key is, or in which the hash of a long key that derives others may be the key of a public HMAC.
func (c *checker) checkKeysApart() error {
	for _, number := range c.intoDerive {
		if err := c.intoHash[number]; err != nil {
			return err
		}
	}
	for _, key := range c.longKeys {
		if slices.Contains(c.plain[key.hash], key.number) {
			return key.err
		}
	}
	for _, key := range c.derivingKeys {
		if !meet(key.made, c.publicKeys[key.hash]) {
			continue
		}
		if key.long { // it gives the derived key away
			return key.err
		}
		if err := c.newer.refuse(key.err); err != nil {
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
