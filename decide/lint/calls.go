package lint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// call follows a call. Operands after the arguments receive its result.
func (f *frame) call(operator *ast.Term, operands []*ast.Term, at *ast.Location) nodes {
	ref, ok := operator.Value.(ast.Ref)
	if ok && ref[0].Equal(ast.DefaultRootDocument) {
		return f.function(f.start(operator, ref).doc, operands)
	}
	switch name := operator.Value.String(); name {
	case ast.Equality.Name, ast.Assign.Name, ast.Equal.Name:
		f.assign(operands[0], f.term(operands[1]))
		f.assign(operands[1], f.term(operands[0]))
		return nil
	case ast.Member.Name:
		f.assign(operands[0], f.each(f.term(operands[1]), at))
		return nil
	case ast.MemberWithKey.Name:
		f.assign(operands[1], f.each(f.term(operands[2]), at))
		return nil
	default:
		return f.builtin(name, operands, at)
	}
}

// function assigns the operands to the arguments of every rule of a function.
func (f *frame) function(called *doc, operands []*ast.Term) nodes {
	arity := 0
	for _, rule := range called.rules {
		inside := &frame{flow: f.flow, rule: rule}
		for branch := rule; branch != nil; branch = branch.Else {
			arity = len(branch.Head.Args)
			for i := range min(arity, len(operands)) {
				inside.assign(branch.Head.Args[i], f.term(operands[i]))
			}
		}
	}
	if len(operands) > arity {
		f.assign(operands[arity], called.value)
	}
	return called.value
}

// throughBuiltins are builtins that return parts of their arguments and read nothing else of
// them. A rule that uses their result is followed further.
func throughBuiltins() map[string]bool {
	return map[string]bool{
		ast.ArrayConcat.Name: true, ast.ArraySlice.Name: true, ast.ArrayReverse.Name: true,
		ast.Or.Name: true, ast.And.Name: true, ast.Minus.Name: true,
		ast.ObjectUnion.Name: true, ast.ObjectFilter.Name: true, ast.ObjectRemove.Name: true,
	}
}

// blindBuiltins are builtins that read no part of their arguments.
func blindBuiltins() map[string]bool {
	return map[string]bool{
		ast.Count.Name: true, ast.TypeNameBuiltin.Name: true,
		ast.IsArray.Name: true, ast.IsObject.Name: true, ast.IsString.Name: true, ast.IsNull.Name: true,
	}
}

// builtin follows a call of a builtin: most builtins read their whole arguments, and their
// result may have any key.
func (f *frame) builtin(name string, operands []*ast.Term, at *ast.Location) nodes {
	arity := len(operands)
	if b := ast.BuiltinMap[name]; b != nil {
		arity = min(arity, b.Decl.Arity())
	}
	var given nodes
	for _, operand := range operands[:arity] {
		given.add(f.term(operand))
	}
	result := nodes{f.opaque}
	switch {
	case name == ast.ObjectGet.Name:
		result = f.get(operands, at)
	case f.through[name]:
		result = given
	case !f.blind[name]:
		f.whole(given, at)
	}
	if len(operands) > arity {
		f.assign(operands[arity], result)
	}
	return result
}

// get follows object.get, which is a reference with a default.
func (f *frame) get(operands []*ast.Term, at *ast.Location) nodes {
	here := f.term(operands[0])
	if keys, ok := operands[1].Value.(*ast.Array); ok {
		keys.Foreach(func(key *ast.Term) { here = f.step(here, key, at) })
	} else {
		here = f.step(here, operands[1], at)
	}
	found := slices.Clone(here)
	found.add(f.term(operands[2]))
	return found
}
