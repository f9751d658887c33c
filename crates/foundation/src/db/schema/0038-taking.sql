-- A dropped file is `taking` until it has a job, and another one of its name may come meanwhile: who takes files holds their folder.
DROP INDEX drops_taking;
