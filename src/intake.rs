//! Intakes: the ways in other than the command line. Each turns what it receives into a submission and hands it
//! to the one door.

pub mod inbox;
pub struct LedgerDoor;
impl LedgerDoor {
    pub fn new(_: &crate::app::App) -> Self {
        todo!()
    }
}
