//! The implementation of `wit/raw.wit`.

use std::cell::Cell;

use bindings::exports::demo::raw::shapes::{Colours, Guest as Shapes, GuestPen, Pen, Point};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

#[expect(unsafe_code, reason = "generated bindings")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "raw" });
    use super::Raw;
    export!(Raw);
}

struct Raw;

/// A pen knows where it is and how often it drew.
struct Position {
    at: Cell<Point>,
    strokes: Cell<u32>,
}

impl GuestPen for Position {
    fn new(_colours: Colours) -> Self {
        Position { at: Cell::new(Point { x: 0.0, y: 0.0 }), strokes: Cell::new(0) }
    }

    fn strokes(&self) -> u32 {
        self.strokes.get()
    }

    fn draw(&self, to: Point) -> f64 {
        let from = self.at.replace(to);
        self.strokes.set(self.strokes.get() + 1);
        (to.x - from.x).hypot(to.y - from.y)
    }
}

impl Shapes for Raw {
    type Pen = Position;

    fn area(a: Point, b: Point, c: Point) -> f64 {
        ((b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y)).abs() / 2.0
    }

    fn common(a: Colours, b: Colours) -> Colours {
        a & b
    }

    fn used_pen() -> Pen {
        let pen = Position::new(Colours::RED);
        pen.draw(Point { x: 3.0, y: 4.0 });
        Pen::new(pen)
    }

    async fn total(mut bytes: StreamReader<u8>) -> u64 {
        let mut total = 0;
        loop {
            let (result, chunk) = bytes.read(Vec::with_capacity(1_024)).await;
            total += chunk.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            if !matches!(result, StreamResult::Complete(_)) {
                return total;
            }
        }
    }

    async fn countdown(count: u8) -> StreamReader<u8> {
        let (mut writer, reader) = bindings::wit_stream::new();
        wit_bindgen::spawn_local(async move {
            writer.write_all((0..count).collect()).await;
        });
        reader
    }

    async fn double_later(number: FutureReader<u32>) -> u32 {
        number.await * 2
    }
}

impl bindings::Guest for Raw {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    async fn greet_async(name: String) -> String {
        Self::greet(name)
    }
}
