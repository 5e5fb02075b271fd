-- Every request of the day and its answer.
SELECT format(E'%s  %s\n-> %s %s\n<- %s\n', clock, device, function, jsonb_pretty(request), jsonb_pretty(answer))
FROM demo.call ORDER BY step;
