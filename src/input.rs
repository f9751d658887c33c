//! stub
pub mod duplicates { use super::InputError; pub struct Keys; impl Keys{pub fn new(_:usize)->Result<Self,InputError>{todo!()} pub fn add(&mut self,_:&'static str,_:&[&str],_:u64,_:u64)->Result<(),InputError>{todo!()} pub fn finish(self)->Result<Duplicates,InputError>{todo!()}}
 pub struct Duplicate{pub column:&'static str,pub row:u64,pub line:u64,pub first_row:u64,pub first_line:u64} pub struct Duplicates; impl Iterator for Duplicates{type Item=Result<Duplicate,InputError>; fn next(&mut self)->Option<Self::Item>{todo!()}} }
#[derive(Debug,thiserror::Error)] #[error("x")] pub struct InputError;
pub struct Digest{pub sha256:String,pub bytes:u64,pub rows:u64}
pub struct Input; pub struct ReadAhead; pub struct Block;
#[derive(Clone,Copy)] pub struct RowView<'b>(&'b ());
impl<'b> RowView<'b>{pub fn number(&self)->u64{todo!()} pub fn line(&self)->u64{todo!()} pub fn len(&self)->usize{todo!()} pub fn cell(&self,_:usize)->Option<&'b str>{todo!()}}
impl Block{pub fn first_row(&self)->u64{todo!()} pub fn len(&self)->usize{todo!()} pub fn rows(&self)->impl Iterator<Item=RowView<'_>>{std::iter::empty()} pub fn row(&self,_:u64)->Option<RowView<'_>>{todo!()} pub fn encode(&self)->Vec<u8>{todo!()} pub fn decode(_:&[u8])->Result<Self,InputError>{todo!()}}
impl Iterator for ReadAhead{type Item=Result<Block,InputError>; fn next(&mut self)->Option<Self::Item>{todo!()}}
impl ReadAhead{pub fn finish(self)->Result<Digest,InputError>{todo!()}}
impl Input{pub fn open(_:&std::path::Path)->Result<Self,InputError>{todo!()} pub fn from_reader(_:&str,_:Box<dyn std::io::Read+Send>)->Result<Self,InputError>{todo!()} pub fn skip_preamble(&mut self,_:impl FnOnce(&[&str])->bool)->Result<(),InputError>{todo!()} pub fn header(&self)->&[String]{todo!()} pub fn header_line(&self)->u64{todo!()} pub fn name(&self)->&str{todo!()} pub fn redact(&mut self,_:&[usize]){} pub fn read_ahead(self,_:usize,_:usize)->ReadAhead{todo!()}}
