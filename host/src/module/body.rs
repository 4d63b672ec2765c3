//! What makes a function costly to compile, counted in one walk over its body before the compiler sees it. The compiler's
//! work grows with the values it must keep apart: those that are needed across branches, those that differ where branches
//! join, those that blocks and calls hand on. The count errs on the high side, as it must take no longer than the
//! body is long, but for code as compilers write it not by much.

use wasmparser::{
    BlockType, FuncValidator, FunctionBody, ModuleArity, Operator, OperatorsReader, ValidatorResources,
};

use super::needed::Needed;

type Validator = FuncValidator<ValidatorResources>;

/// How much there is in a function of what makes it costly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Operators of any kind.
    pub(super) operators: u64,
    /// Operators that begin, end or leave a block.
    pub(super) branches: u64,
    /// How many loops stand in each other.
    pub(super) loops: u64,
    /// For each branch, the values that are needed behind it.
    pub(super) held: u64,
    /// For each place where branches meet, the values that differ there.
    pub(super) joined: u64,
    /// For each branch to where several meet, the same.
    pub(super) carried: u64,
    /// The parameters and results of its blocks, times the blocks that have any.
    pub(super) passed: u64,
    /// The parameters and results of its calls.
    pub(super) called: u64,
}

/// A figure beside its limit.
pub(super) struct Measure {
    /// What there is.
    pub(super) what: &'static str,
    pub(super) figure: u64,
    pub(super) limit: u64,
    /// Whether a few bytes can make much of it.
    pub(super) outgrows_size: bool,
}

impl Figures {
    /// Returns each figure beside its limit.
    pub(super) fn beside(&self, limits: &Figures) -> impl Iterator<Item = Measure> {
        let by_size = [
            ("operators", self.operators, limits.operators),
            ("branches and blocks", self.branches, limits.branches),
            ("loops in each other", self.loops, limits.loops),
        ];
        let beyond = [
            ("values times the branches across which they are needed", self.held, limits.held),
            ("values that differ where branches meet", self.joined, limits.joined),
            ("values times the branches that meet where they differ", self.carried, limits.carried),
            ("parameters and results of blocks times the blocks", self.passed, limits.passed),
            ("parameters and results of calls", self.called, limits.called),
        ];
        let measure =
            |outgrows_size| move |(what, figure, limit)| Measure { what, figure, limit, outgrows_size };
        by_size.into_iter().map(measure(false)).chain(beyond.into_iter().map(measure(true)))
    }
}

/// Counts a body. One that is not valid is read as far as it is, as the compiler does. Counting ends where a figure is
/// past its `limits`.
pub(super) fn figures(mut validator: Validator, body: &FunctionBody<'_>, limits: &Figures) -> Figures {
    let mut reader = body.get_binary_reader();
    if validator.read_locals(&mut reader).is_err() {
        return Figures::default();
    }
    let locals = validator.len_locals();
    let mut walk = Walk::new(locals as usize);
    let mut operators = OperatorsReader::new(reader);
    while !operators.eof() && walk.counted.operators <= limits.operators {
        let Ok((operator, offset)) = operators.read_with_offset() else { break };
        walk.see(&operator, &validator);
        if validator.op(offset, &operator).is_err() {
            break;
        }
    }
    walk.finish(limits)
}

/// A block that is open.
#[derive(Debug)]
struct Block {
    kind: Kind,
    params: u64,
    results: u64,
    /// How many branches lead to its end or, of a loop, its beginning.
    branches: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Loop,
    If,
}

#[derive(Debug)]
struct Walk {
    counted: Figures,
    needed: Needed,
    blocks: Vec<Block>,
    values_passed: u64,
    blocks_passing: u64,
}

impl Walk {
    fn new(locals: usize) -> Self {
        let (counted, needed) = (Figures::default(), Needed::new(locals));
        let mut walk = Walk { counted, needed, blocks: Vec::new(), values_passed: 0, blocks_passing: 0 };
        walk.blocks.push(Block { kind: Kind::Plain, params: 0, results: 0, branches: 0 });
        walk
    }

    /// Takes an operator that the validator has not seen yet.
    fn see(&mut self, operator: &Operator<'_>, validator: &Validator) {
        self.counted.operators += 1;
        let is_reached = validator.get_control_frame(0).is_some_and(|frame| !frame.unreachable);
        match operator {
            Operator::Block { blockty } => self.enter(Kind::Plain, *blockty, validator),
            Operator::TryTable { try_table } => self.enter(Kind::Plain, try_table.ty, validator),
            // The engine knows no exceptions of the older kind and says so; until then their blocks are blocks.
            Operator::Try { blockty } => self.enter(Kind::Plain, *blockty, validator),
            Operator::Catch { .. } | Operator::CatchAll => self.enter_else(is_reached, validator),
            Operator::Delegate { .. } => self.leave(is_reached, validator),
            Operator::Loop { blockty } => self.enter(Kind::Loop, *blockty, validator),
            Operator::If { blockty } => self.enter(Kind::If, *blockty, validator),
            Operator::Else => self.enter_else(is_reached, validator),
            Operator::End => self.leave(is_reached, validator),
            // The compiler leaves out what is never reached.
            _ if is_reached => self.see_reached(operator, validator),
            _ => {}
        }
    }

    fn see_reached(&mut self, operator: &Operator<'_>, validator: &Validator) {
        match operator {
            Operator::LocalGet { local_index } => self.needed.read(*local_index),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.needed.set(*local_index);
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(validator);
                self.lead_to(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.branch(validator);
                targets.targets().flatten().for_each(|target| self.lead_to(target));
                self.lead_to(targets.default());
            }
            Operator::Return => self.lead_to((self.blocks.len() as u32).saturating_sub(1)),
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => {
                let (taken, given) = operator.operator_arity(validator).unwrap_or_default();
                self.counted.called += u64::from(taken) + u64::from(given);
            }
            _ => {}
        }
    }

    fn enter(&mut self, kind: Kind, block_type: BlockType, validator: &Validator) {
        let (params, results) = validator.block_type_arity(block_type).unwrap_or_default();
        self.branch(validator);
        self.needed.enter(kind == Kind::Loop);
        self.counted.loops = self.counted.loops.max(self.needed.loops());
        let (params, results) = (params.into(), results.into());
        self.pass(params);
        // What comes from before a loop joins what comes from its end.
        self.blocks.push(Block { kind, params, results, branches: (kind == Kind::Loop).into() });
    }

    fn enter_else(&mut self, is_reached: bool, validator: &Validator) {
        self.branch(validator);
        self.needed.enter_else();
        let Some(block) = self.blocks.last_mut() else { return };
        block.kind = Kind::Plain;
        block.branches += u64::from(is_reached);
        let params = block.params;
        self.pass(params);
    }

    fn leave(&mut self, is_reached: bool, validator: &Validator) {
        self.branch(validator);
        let Some(block) = self.blocks.pop() else { return };
        let (branches, values) = match block.kind {
            Kind::Plain => (block.branches + u64::from(is_reached), block.results),
            Kind::Loop => (block.branches, block.params),
            // An `if` without `else` is left by the branch around it too.
            Kind::If => (block.branches + u64::from(is_reached) + 1, block.results),
        };
        self.needed.leave(branches);
        if branches > 1 {
            self.counted.joined += values;
            self.counted.carried += branches * values;
        }
        if !self.blocks.is_empty() {
            self.pass(block.results);
        }
    }

    fn pass(&mut self, values: u64) {
        self.values_passed += values;
        self.blocks_passing += u64::from(values > 0);
    }

    fn branch(&mut self, validator: &Validator) {
        self.counted.branches += 1;
        self.counted.held += u64::from(validator.operand_stack_height());
        self.needed.step();
    }

    /// Counts a branch to the block that is so many outwards.
    fn lead_to(&mut self, outwards: u32) {
        if let Some(block) = self.blocks.iter_mut().nth_back(outwards as usize) {
            block.branches += 1;
        }
    }

    fn finish(mut self, limits: &Figures) -> Figures {
        self.counted.held += self.needed.held();
        let (joined, carried) = self.needed.joined(limits.joined, limits.carried);
        self.counted.joined += joined;
        self.counted.carried += carried;
        self.counted.passed = self.values_passed * self.blocks_passing;
        self.counted
    }
}
