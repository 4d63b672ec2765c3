//! How long the locals of a function are needed, in steps from branch to branch. A local is set and read many times, and
//! compilers reuse it for one value after the other, so it has a span for each. What is read in a loop may have been
//! set behind, in the round before: it is needed in all of the loop, unless it was set in the same round already.
//! What is not known for certain counts as needed.

use std::mem;

/// The steps from where a value is set to where it is read last.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u32,
    last: u32,
    is_held_by_a_loop: bool,
}

/// A local, with the block in which it was set before all that is in that block and behind.
#[derive(Clone, Copy, Debug)]
struct Local {
    span: u32,
    home_depth: u32,
    home: u32,
}

/// A block that is open. Each half of an `if` is one of its own.
#[derive(Debug, Default)]
struct Scope {
    number: u32,
    begun: u32,
    is_loop: bool,
    /// The spans that last to the end of it, which is a loop.
    held: Vec<u32>,
}

/// Something that matters to which locals differ where branches join.
#[derive(Debug)]
enum Event {
    Set { local: u32, span: u32, step: u32 },
    Join { since: u32, branches: u64, step: u32 },
}

/// The locals of a function, as far as it was read.
#[derive(Debug)]
pub(super) struct Needed {
    locals: Vec<Option<Local>>,
    spans: Vec<Span>,
    scopes: Vec<Scope>,
    loop_depths: Vec<u32>,
    events: Vec<Event>,
    scopes_begun: u32,
    step: u32,
}

impl Needed {
    /// Begins a function with so many locals, its parameters among them.
    pub(super) fn new(locals: usize) -> Self {
        Needed {
            locals: vec![None; locals],
            spans: Vec::new(),
            scopes: vec![Scope::default()],
            loop_depths: Vec::new(),
            events: Vec::new(),
            scopes_begun: 0,
            step: 0,
        }
    }

    /// Goes on to the next branch.
    pub(super) fn step(&mut self) {
        self.step += 1;
    }

    /// Begins a block.
    pub(super) fn enter(&mut self, is_loop: bool) {
        self.scopes_begun += 1;
        let (number, begun) = (self.scopes_begun, self.step);
        if is_loop {
            self.loop_depths.push(self.scopes.len() as u32);
        }
        self.scopes.push(Scope { number, begun, is_loop, held: Vec::new() });
    }

    /// Begins the other half of an `if`.
    pub(super) fn enter_else(&mut self) {
        self.scopes_begun += 1;
        if let Some(scope) = self.scopes.last_mut() {
            scope.number = self.scopes_begun;
        }
    }

    /// Ends a block, to whose end or, of a loop, beginning `branches` lead.
    pub(super) fn leave(&mut self, branches: u64) {
        let Some(scope) = self.scopes.pop() else { return };
        if scope.is_loop {
            self.loop_depths.pop();
        }
        for span in scope.held {
            let span = &mut self.spans[span as usize];
            span.first = span.first.min(scope.begun);
            span.last = span.last.max(self.step);
        }
        if branches > 1 {
            self.events.push(Event::Join { since: scope.begun, branches, step: self.step });
        }
    }

    /// How many loops are open.
    pub(super) fn loops(&self) -> u64 {
        self.loop_depths.len() as u64
    }

    /// Takes a local that is set.
    pub(super) fn set(&mut self, index: u32) {
        let Some(local) = self.locals.get(index as usize).copied() else { return };
        let local = local.filter(|local| self.is_open(local)).unwrap_or_else(|| {
            let span =
                local.map(|local| local.span).filter(|&span| self.spans[span as usize].is_held_by_a_loop);
            let home = self.scopes.last().map_or(0, |scope| scope.number);
            let span = span.unwrap_or_else(|| self.begin_span());
            Local { span, home_depth: (self.scopes.len() as u32).saturating_sub(1), home }
        });
        self.locals[index as usize] = Some(local);
        self.events.push(Event::Set { local: index, span: local.span, step: self.step });
        self.extend(local.span);
    }

    /// Takes a local that is read.
    pub(super) fn read(&mut self, index: u32) {
        let Some(known) = self.locals.get(index as usize).copied() else { return };
        let local = match known {
            Some(local) if self.is_open(&local) => local,
            Some(local) => Local { home_depth: 0, home: 0, ..local },
            None => Local { span: self.begin_span(), home_depth: 0, home: 0 },
        };
        self.locals[index as usize] = Some(local);
        self.extend(local.span);
        let inside = self.loop_depths.partition_point(|&depth| depth <= local.home_depth);
        if let Some(&depth) = self.loop_depths.get(inside) {
            self.spans[local.span as usize].is_held_by_a_loop = true;
            self.scopes[depth as usize].held.push(local.span);
        }
    }

    fn is_open(&self, local: &Local) -> bool {
        self.scopes.get(local.home_depth as usize).is_some_and(|scope| scope.number == local.home)
    }

    fn begin_span(&mut self) -> u32 {
        self.spans.push(Span { first: self.step, last: self.step, is_held_by_a_loop: false });
        self.spans.len() as u32 - 1
    }

    fn extend(&mut self, span: u32) {
        self.spans[span as usize].last = self.step;
    }

    /// For each step, the values that are needed behind it.
    pub(super) fn held(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.last - span.first)).sum()
    }

    /// For each place where branches meet, the locals that were set since those parted and are needed behind, and the
    /// same for each of the branches. Counts no further than the limits, so that it takes no longer than they are.
    pub(super) fn joined(&mut self, most_joined: u64, most_carried: u64) -> (u64, u64) {
        let (mut joined, mut carried, mut sets) = (0, 0, Vec::new());
        // Where a local was set last, so that it counts once.
        let mut newest: Vec<u32> = vec![0; self.locals.len()];
        for (number, event) in (0_u32..).zip(mem::take(&mut self.events)) {
            match event {
                Event::Set { local, span, step } => {
                    newest[local as usize] = number;
                    sets.push((number, local, span, step));
                }
                Event::Join { since, branches, step } => {
                    let inside = sets.split_off(sets.partition_point(|&(_, _, _, set)| set < since));
                    let outside = sets.len();
                    sets.extend(inside.into_iter().filter(|&(set, local, span, _)| {
                        newest[local as usize] == set && self.spans[span as usize].last >= step
                    }));
                    let differ = (sets.len() - outside) as u64;
                    joined += differ;
                    carried += differ * branches;
                }
            }
            if joined > most_joined || carried > most_carried {
                break;
            }
        }
        (joined, carried)
    }
}
