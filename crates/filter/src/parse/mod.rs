//! The grammar of pcap-filter(7), with code made as it is recognised.
//!
//! Its quirks are the language: `and` and `or` bind alike and to the left; a bare value takes the qualifiers of the
//! primitive before it; where a bare value may stand, parentheses may hold values alone or a whole expression, and which
//! of the two it is shows only inside. `%` and `^` have no precedence: whatever operator comes after them, or before
//! them, they take all that follows.

mod primitive;

use std::ops::Range;

use crate::code::{ADD, AND, DIV, JEQ, JGE, JGT, LSH, MOD, MUL, OR, RSH, SUB, XOR};
use crate::compile::{Arith, Compiler, Res};
use crate::error::{Error, Fail};
use crate::ir::{BlockId, StmtId};
use crate::lex::{Tok, Token, Word, tokens};
use crate::qual::Qual;

/// Parentheses and negations nest no deeper.
const MAX_DEPTH: usize = 200;

/// A test, and the qualifiers that the next bare value inherits from it.
#[derive(Clone, Copy, Debug)]
struct Test {
    block: BlockId,
    qual: Qual,
}

/// What has been recognised where several things may stand.
enum Unit {
    /// A value on inherited qualifiers.
    Value(Test),
    /// A whole primitive or parenthesised expression.
    Term(Test),
    /// A number: a value, or the beginning of arithmetic.
    Num(u32),
    Arith(Arith),
}

/// Where a part of the expression begins: in its tokens, and in what the compiler has made.
type Begin = (usize, (StmtId, BlockId));

/// What the place allows besides terms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    No,
    /// Values, but none in parentheses.
    Bare,
    Any,
}

pub(crate) struct Parser<'p, 'a> {
    compiler: &'p mut Compiler<'a>,
    text: &'p str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Where the primitive at hand begins.
    start: usize,
}

/// How an operator binds; None for `%` and `^`, which have no precedence.
fn arith_op(tok: &Tok) -> Option<(u16, Option<u8>)> {
    Some(match tok {
        Tok::Punct(b'|') => (OR, Some(1)),
        Tok::Punct(b'&') => (AND, Some(2)),
        Tok::Lsh => (LSH, Some(3)),
        Tok::Rsh => (RSH, Some(3)),
        Tok::Punct(b'+') => (ADD, Some(4)),
        Tok::Punct(b'-') => (SUB, Some(4)),
        Tok::Punct(b'*') => (MUL, Some(5)),
        Tok::Punct(b'/') => (DIV, Some(5)),
        Tok::Punct(b'%') => (MOD, None),
        Tok::Punct(b'^') => (XOR, None),
        _ => return None,
    })
}

/// Negation binds closer than any operator that has a precedence.
const UNARY: u8 = 6;

/// The jump for a relation, and whether its sense is reversed.
fn relation(tok: &Tok) -> Option<(u16, bool)> {
    Some(match tok {
        Tok::Punct(b'>') => (JGT, false),
        Tok::Geq => (JGE, false),
        Tok::Punct(b'=') => (JEQ, false),
        Tok::Leq => (JGT, true),
        Tok::Punct(b'<') => (JGE, true),
        Tok::Neq => (JEQ, true),
        _ => return None,
    })
}

impl<'p, 'a> Parser<'p, 'a> {
    pub(crate) fn new(compiler: &'p mut Compiler<'a>, text: &'p str) -> Parser<'p, 'a> {
        Parser { compiler, text, tokens: tokens(text), at: 0, depth: 0, start: 0 }
    }

    /// The whole expression; None where there is none, which accepts everything.
    pub(crate) fn program(&mut self) -> Result<Option<BlockId>, Error> {
        if *self.peek() == Tok::End {
            return Ok(None);
        }
        let done = self.expr(Qual::UNDEF).and_then(|test| match self.peek() {
            Tok::End => Ok(test.block),
            _ => self.unexpected(),
        });
        done.map(Some).map_err(|Fail(message)| Error::new(message, self.place()))
    }

    /// From the beginning of the primitive to the token that was looked at last.
    fn place(&self) -> Range<usize> {
        let last = self.at.min(self.tokens.len() - 1);
        let last = if matches!(self.tokens[last].tok, Tok::End) && last > 0 { last - 1 } else { last };
        let first = self.start.min(last);
        self.tokens[first].span.start..self.tokens[last].span.end
    }

    fn peek(&self) -> &Tok {
        self.peek_at(0)
    }

    fn peek_at(&self, more: usize) -> &Tok {
        &self.tokens[(self.at + more).min(self.tokens.len() - 1)].tok
    }

    fn bump(&mut self) -> Tok {
        let tok = self.peek().clone();
        self.at += 1;
        tok
    }

    fn eat(&mut self, tok: &Tok) -> bool {
        let found = self.peek() == tok;
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: Word) -> bool {
        self.eat(&Tok::Word(word))
    }

    fn unexpected<T>(&mut self) -> Res<T> {
        self.start = self.at;
        match self.peek() {
            Tok::Bad(Some(why)) => Err(Fail(why.clone())),
            _ => Err("can't parse filter expression: syntax error".into()),
        }
    }

    fn close(&mut self) -> Res<()> {
        if self.eat(&Tok::Punct(b')')) { Ok(()) } else { self.unexpected() }
    }

    fn number(&mut self) -> Res<u32> {
        match *self.peek() {
            Tok::Num(n) => {
                self.at += 1;
                Ok(n)
            }
            _ => self.unexpected(),
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.depth == MAX_DEPTH {
            self.start = self.at;
            return Err(Fail(format!("filter expression nests deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    /// Terms and values joined by `and` and `or`. `qual` is what the place inherits.
    fn expr(&mut self, qual: Qual) -> Res<Test> {
        let first = self.operand(Values::No, qual)?;
        self.more(first)
    }

    /// An operand of `and`, `or` and `not`, marked as a part of the expression.
    fn operand(&mut self, values: Values, qual: Qual) -> Res<Test> {
        let begin = self.begin();
        let unit = self.unit(values, qual)?;
        let test = self.finish_unit(unit, values, qual)?;
        self.mark(begin);
        Ok(test)
    }

    /// Begins a part of the expression with the token at hand.
    fn begin(&self) -> Begin {
        (self.at, self.compiler.ir.begin())
    }

    /// Ends a part of the expression before the token at hand.
    fn mark(&mut self, (first, begin): Begin) {
        let first = first.min(self.tokens.len() - 1);
        let last = self.at.saturating_sub(1).clamp(first, self.tokens.len() - 1);
        let span = self.tokens[first].span.start..self.tokens[last].span.end;
        self.compiler.ir.mark(begin, span);
    }

    fn more(&mut self, mut left: Test) -> Res<Test> {
        while let Some(and) = self.joiner() {
            let right = self.operand(Values::Any, left.qual)?;
            left = self.join(and, left, right);
        }
        Ok(left)
    }

    /// Whether what comes is `and` (or else `or`), if it is either.
    fn joiner(&mut self) -> Option<bool> {
        let and = match self.peek() {
            Tok::Word(Word::And) => true,
            Tok::Word(Word::Or) => false,
            _ => return None,
        };
        self.at += 1;
        Some(and)
    }

    fn join(&mut self, and: bool, left: Test, right: Test) -> Test {
        let ir = &mut self.compiler.ir;
        let block = if and { ir.and(left.block, right.block) } else { ir.or(left.block, right.block) };
        Test { block, qual: right.qual }
    }

    /// A test of a unit: a number is a value if there may be one and no arithmetic follows.
    fn finish_unit(&mut self, unit: Unit, values: Values, qual: Qual) -> Res<Test> {
        match unit {
            Unit::Value(test) | Unit::Term(test) => Ok(test),
            Unit::Num(n) if arith_op(self.peek()).is_some() || relation(self.peek()).is_some() => {
                let left = self.compiler.arith_num(n)?;
                self.relation(left)
            }
            Unit::Num(n) if values != Values::No => {
                let block = self.compiler.value_number(None, n, qual)?;
                Ok(Test { block, qual })
            }
            Unit::Num(_) => self.unexpected(),
            Unit::Arith(left) => self.relation(left),
        }
    }

    /// The rest of `left RELATION right`, where `left` may still go on.
    fn relation(&mut self, left: Arith) -> Res<Test> {
        let left = self.arith_rest(left, None)?;
        let Some((jump, reverse)) = relation(self.peek()) else { return self.unexpected() };
        self.at += 1;
        let right = self.arith(None)?;
        Ok(Test { block: self.compiler.relation(jump, left, right, reverse), qual: Qual::UNDEF })
    }

    /// One operand of `and` and `or`.
    fn unit(&mut self, values: Values, qual: Qual) -> Res<Unit> {
        self.start = self.at;
        match *self.peek() {
            Tok::Word(Word::Not) => self.deeper(|p| p.negation(values, qual)),
            Tok::Punct(b'(') => self.deeper(|p| p.parenthesis(values, qual)),
            Tok::Num(n) => {
                self.at += 1;
                Ok(Unit::Num(n))
            }
            Tok::Id(_) | Tok::Dotted(_) | Tok::Ipv6(_) | Tok::Mac48(_) | Tok::Mac8(_)
                if values != Values::No =>
            {
                self.value(qual).map(Unit::Value)
            }
            Tok::Punct(b'-') | Tok::Word(Word::Len) => self.arith_primary().map(Unit::Arith),
            _ => self.primitive(),
        }
    }

    fn negation(&mut self, values: Values, qual: Qual) -> Res<Unit> {
        self.at += 1;
        let values = if values == Values::No { Values::No } else { Values::Any };
        let begin = self.begin();
        let unit = self.unit(values, qual)?;
        let is_value = match &unit {
            Unit::Value(_) => true,
            Unit::Num(_) => arith_op(self.peek()).is_none() && relation(self.peek()).is_none(),
            _ => false,
        };
        let test = self.finish_unit(unit, values, qual)?;
        self.mark(begin);
        self.compiler.ir.not(test.block);
        Ok(if is_value { Unit::Value(test) } else { Unit::Term(test) })
    }

    fn parenthesis(&mut self, values: Values, qual: Qual) -> Res<Unit> {
        self.at += 1;
        // A parenthesis right behind a parenthesis holds no list of values.
        let inner = if values == Values::Any { Values::Bare } else { Values::No };
        let begin = self.begin();
        let first = self.unit(inner, qual)?;
        if let Unit::Value(_) | Unit::Term(_) = first {
            self.mark(begin);
        }
        match first {
            Unit::Num(n) if *self.peek() == Tok::Punct(b')') => {
                self.at += 1;
                Ok(Unit::Num(n))
            }
            Unit::Num(n) if arith_op(self.peek()).is_some() || relation(self.peek()).is_some() => {
                let left = self.compiler.arith_num(n)?;
                self.parenthesised_arith(left, qual, begin)
            }
            Unit::Num(n) if inner == Values::Bare => {
                let block = self.compiler.value_number(None, n, qual)?;
                self.mark(begin);
                self.values_rest(Test { block, qual }).map(Unit::Value)
            }
            Unit::Num(_) => self.unexpected(),
            Unit::Value(test) => self.values_rest(test).map(Unit::Value),
            Unit::Arith(left) => self.parenthesised_arith(left, qual, begin),
            Unit::Term(test) => self.expr_rest(test, qual),
        }
    }

    /// Arithmetic behind a parenthesis: it may end with it, or be the left of a relation in it.
    fn parenthesised_arith(&mut self, left: Arith, qual: Qual, begin: Begin) -> Res<Unit> {
        let left = self.arith_rest(left, None)?;
        if self.eat(&Tok::Punct(b')')) {
            return Ok(Unit::Arith(left));
        }
        let test = self.relation(left)?;
        self.mark(begin);
        self.expr_rest(test, qual)
    }

    /// The rest of an expression in parentheses.
    fn expr_rest(&mut self, first: Test, qual: Qual) -> Res<Unit> {
        let test = self.more(first)?;
        self.close()?;
        Ok(Unit::Term(Test { block: test.block, qual }))
    }

    /// The rest of a list of values in parentheses.
    fn values_rest(&mut self, mut left: Test) -> Res<Test> {
        while let Some(and) = self.joiner() {
            let begin = self.begin();
            let right = self.id(left.qual)?;
            self.mark(begin);
            left = self.join(and, left, right);
        }
        self.close()?;
        Ok(left)
    }

    /// A value where nothing but a value may stand: behind qualifiers, and in a list of values.
    fn id(&mut self, qual: Qual) -> Res<Test> {
        match *self.peek() {
            Tok::Num(n) => {
                self.at += 1;
                let block = self.compiler.value_number(None, n, qual)?;
                Ok(Test { block, qual })
            }
            Tok::Word(Word::Not) => self.deeper(|p| {
                p.at += 1;
                let test = p.id(qual)?;
                p.compiler.ir.not(test.block);
                Ok(test)
            }),
            Tok::Punct(b'(') => self.deeper(|p| p.ids(qual)),
            _ => self.value(qual),
        }
    }

    fn ids(&mut self, qual: Qual) -> Res<Test> {
        self.at += 1;
        let begin = self.begin();
        let first = if *self.peek() == Tok::Punct(b'(') {
            let n = self.parenthesised_number()?;
            Test { block: self.compiler.value_number(None, n, qual)?, qual }
        } else {
            self.id(qual)?
        };
        if let Tok::Word(Word::And | Word::Or) = self.peek() {
            self.mark(begin);
        }
        self.values_rest(first)
    }

    /// `N`, `(N)`, `((N))`...
    fn parenthesised_number(&mut self) -> Res<u32> {
        if !self.eat(&Tok::Punct(b'(')) {
            return self.number();
        }
        let n = self.deeper(Self::parenthesised_number)?;
        self.close()?;
        Ok(n)
    }

    /// A number behind a keyword, where one is.
    fn optional_number(&mut self) -> Res<Option<u32>> {
        match self.peek() {
            Tok::Num(_) | Tok::Punct(b'(') => self.parenthesised_number().map(Some),
            _ => Ok(None),
        }
    }

    /// A whole operand of a rule that binds as `rule` does.
    fn arith(&mut self, rule: Option<u8>) -> Res<Arith> {
        let left = self.deeper(Self::arith_primary)?;
        self.arith_rest(left, rule)
    }

    /// Takes operators that bind closer than the rule at hand.
    fn arith_rest(&mut self, mut left: Arith, rule: Option<u8>) -> Res<Arith> {
        while let Some((op, precedence)) = arith_op(self.peek()) {
            let takes = match (rule, precedence) {
                (Some(rule), Some(precedence)) => precedence > rule,
                _ => true,
            };
            if !takes {
                break;
            }
            self.at += 1;
            let right = self.deeper(|p| p.arith(precedence))?;
            left = self.compiler.arith_op(op, left, right)?;
        }
        Ok(left)
    }

    fn arith_primary(&mut self) -> Res<Arith> {
        match *self.peek() {
            Tok::Num(n) => {
                self.at += 1;
                self.compiler.arith_num(n)
            }
            Tok::Word(Word::Len) => {
                self.at += 1;
                self.compiler.arith_len()
            }
            Tok::Punct(b'-') => {
                self.at += 1;
                let operand = self.deeper(|p| p.arith(Some(UNARY)))?;
                Ok(self.compiler.arith_neg(operand))
            }
            Tok::Punct(b'(') => {
                self.at += 1;
                // A number in parentheses is a number; it becomes arithmetic behind them.
                let inner = self.deeper(|p| p.arith(None))?;
                self.close()?;
                Ok(inner)
            }
            Tok::Word(Word::Proto(proto)) if *self.peek_at(1) == Tok::Punct(b'[') => {
                self.at += 1;
                self.index(proto)
            }
            _ => self.unexpected(),
        }
    }

    /// `[INDEX]` or `[INDEX:SIZE]` behind a protocol.
    fn index(&mut self, proto: crate::qual::Proto) -> Res<Arith> {
        self.at += 1;
        let index = self.arith(None)?;
        let size = if self.eat(&Tok::Punct(b':')) { self.number()? } else { 1 };
        if *self.peek() != Tok::Punct(b']') {
            return self.unexpected();
        }
        self.at += 1;
        self.compiler.arith_load(proto, index, size)
    }
}
