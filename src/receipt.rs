//! stub
use std::io::{Result,Write}; use std::path::Path; use crate::input::RowView;
pub struct ResultsWriter; pub struct RejectsWriter; pub struct ResultRows<W>(W); pub struct RejectRows<W>(W);
impl ResultsWriter{pub fn create(_:&Path,_:&[String])->Result<Self>{todo!()} pub fn write(&mut self,_:&RowView<'_>,_:&str,_:&str,_:&str,_:&str)->Result<()>{todo!()} pub fn finish(self)->Result<String>{todo!()}}
impl RejectsWriter{pub fn create(_:&Path,_:&[String])->Result<Self>{todo!()} pub fn write(&mut self,_:&RowView<'_>,_:&str,_:&str)->Result<()>{todo!()} pub fn finish(self)->Result<Option<String>>{todo!()}}
impl<W:Write> ResultRows<W>{pub fn new(_:W,_:&[String])->Result<Self>{todo!()} pub fn write(&mut self,_:&RowView<'_>,_:&str,_:&str,_:&str,_:&str)->Result<()>{todo!()} pub fn into_inner(self)->Result<W>{todo!()}}
impl<W:Write> RejectRows<W>{pub fn new(_:W,_:&[String])->Result<Self>{todo!()} pub fn write(&mut self,_:&RowView<'_>,_:&str,_:&str)->Result<()>{todo!()} pub fn into_inner(self)->Result<W>{todo!()}}
pub fn write(_:&Path,_:&crate::summary::JobSummary,_:&str,_:Option<&str>)->Result<()>{todo!()}
